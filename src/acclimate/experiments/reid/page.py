"""The table as text: for the terminal, and as a Markdown page with figures beside the results."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from acclimate.core.files import write_text_atomically
from acclimate.experiments.figures import write_figure
from acclimate.experiments.markdown import table_of
from acclimate.experiments.reid.drawing import draw, title_of
from acclimate.experiments.reid.lines import GAINS, Line, lines_of
from acclimate.experiments.reid.pairs import HUMAN, PAIRS, PROTOCOLS, TRAINED_ON_TARGET, Pair
from acclimate.experiments.reid.recipes import ROWS, Recipe
from acclimate.experiments.reid.results import RANKS, ReidResult, table_name
from acclimate.experiments.spread import Spread
from acclimate.experiments.summary import NOTHING, percent
from acclimate.report.ranks import MEASURES

SHORT = ("pair", "row", "n", *MEASURES.values(), "gain in area", "seconds")
_HEADINGS = (
    *("row", "n", *(f"{name} (oracle)" for name in MEASURES.values())),
    *("last checkpoint's rank 1 (oracle)", "its mAP (oracle)"),
    *("held-out source's rank 1", "its mAP", "seconds"),
)
#: shared by the rows of a table, and said on its page
_SETTINGS = (
    *("network", "network_options", "preprocessing", "augmentation"),
    *("objective_options", "batch_size", "optimiser", "learning_rate", "schedule", "averaging"),
)


def write_page(folder: Path, recipe: Recipe, results: Sequence[ReidResult]) -> list[Path]:
    """Write ``folder/reid.md`` and a figure for each pair; returns their paths, the page first."""
    lines = lines_of(results)
    figures = []
    for pair in PAIRS.values():
        own = [line for line in lines if line.pair == pair.name]
        if own:
            figures.append(folder / _figure(recipe, pair))
            write_figure(figures[-1], draw(pair.title, own))
    path = folder / f"{table_name(recipe)}.md"
    write_text_atomically(path, page(recipe, results))
    return [path, *figures]


def _figure(recipe: Recipe, pair: Pair) -> str:
    return f"{table_name(recipe)}/{pair.name}.png"


def page(recipe: Recipe, results: Sequence[ReidResult]) -> str:
    """The Markdown page."""
    lines = lines_of(results)
    by_paper = " --recipe paper" if recipe == "paper" else ""
    text = [
        "# Re-identification: people found again by other cameras",
        "",
        f"Written by `acclimate reproduce reid{by_paper}`; do not edit. The experiments of Ganin et al., JMLR "
        "17(59), 2016, section 5.3, by "
        f"{'its recipe' if by_paper else 'our recipe'}. In percent, mean over n splits ± sample standard "
        "deviation. *Rank k*: share of probes with a match among their k nearest pictures of the "
        "gallery; *mAP*: mean average precision; *area*: under the CMC curve, the mean over all ranks "
        "of the gallery. Seconds are of training.",
        "",
        "- A split draws who is adapted to and who is looked for, and nobody is in both; of the source a "
        "fifth of the people whom both cameras saw is held out. All rows of a split have the same people.",
        "- Pictures are compared by the cosine of their descriptors, mean over the four combinations of "
        "both and their mirror images.",
        "- The checkpoint is chosen by held-out people of the source and by pictures of the target without "
        "their identities. What is measured with these is called oracle; train-on-target learns from "
        "them and chooses by them.",
        *(f"- {title}: {said}." for title, said in _protocols(lines)),
        f"- Rows differ in their algorithm alone. {_shared(results)}",
        "",
        *_published(lines),
        "",
        *_gains(lines),
    ]
    for pair in PAIRS.values():
        own = [line for line in lines if line.pair == pair.name]
        if own:
            text += _section(recipe, pair, own, [r for r in results if r.pair == pair.name])
    return "\n".join(text)


def _protocols(lines: Sequence[Line]) -> Iterable[tuple[str, str]]:
    there = {PAIRS[line.pair].target: PAIRS[line.pair] for line in lines}
    return ((pair.title.partition(" → ")[2], PROTOCOLS[target]) for target, pair in there.items())


def _shared(results: Sequence[ReidResult]) -> str:
    """Settings and machines of all results; more than one value where they differ."""
    if not results:
        return ""
    said = [
        f"pictures of {_each('×'.join(map(str, result.shape[1:])) for result in results)}",
        *(f"{name} {_each(result.settings.get(name) for result in results)}" for name in _SETTINGS),
        f"steps {_each(result.steps for result in results)}",
    ]
    machines = sorted(
        {
            f"{where.threads} thread{'s' * (where.threads > 1)} of {where.processor} "
            f"({where.device}, precision {where.precision}, torch {where.torch})"
            for where in (result.environment for result in results)
        }
    )
    return f"Shared: {', '.join(said)}. {'; '.join(machines)}."


def _each(values: Iterable[Any]) -> str:
    """``600``, or ``20000 or 50000`` where both occur."""
    texts = (v if isinstance(v, str) else json.dumps(v, sort_keys=True) for v in values)
    return " or ".join(f"`{text}`" for text in sorted(set(texts)))


def _published(lines: Sequence[Line]) -> list[str]:
    there = dict.fromkeys(PAIRS[line.pair].target for line in lines)
    titles = {pair.target: pair.title.partition(" → ")[2] for pair in PAIRS.values()}
    known = [f"{titles[t]} {TRAINED_ON_TARGET[t]}" for t in there if t in TRAINED_ON_TARGET]
    trained = (
        f" Yi et al. (2014), whose network the paper takes, report rank 1 of a network trained on the target "
        f"itself: {', '.join(known)}."
        if known
        else ""
    )
    return [
        "Published: the paper has curves and no numbers; adaptation raises all eight of them, most where PRID "
        f"has a part.{trained} People who were asked to do it: rank 1 {HUMAN} (Liu et al., 2013)."
    ]


def _gains(lines: Sequence[Line]) -> list[str]:
    """What adapting is worth, split by split."""
    cells = [
        [
            PAIRS[line.pair].title,
            title_of(line),
            f"{line.oracle_won} of {line.compared}",
            *(_signed(line.oracle_gains[name]) for name in GAINS),
        ]
        for line in lines
        if line.compared
    ]
    if not cells:
        return []
    return [
        "## Gained on source-only",
        "",
        "In points (oracle), of the same split. *Splits won*: by the area.",
        "",
        *table_of(["pair", "row", "splits won", *(MEASURES[name] for name in GAINS)], cells),
        "",
    ]


def _section(
    recipe: Recipe, pair: Pair, lines: Sequence[Line], results: Sequence[ReidResult]
) -> list[str]:
    figure = _figure(recipe, pair)
    of_target = [result.oracle_target for result in results]
    return [
        f"## {pair.title}",
        "",
        *([pair.note, ""] if pair.note else []),
        f"Probes {_counts(m.probes for m in of_target)}, gallery {_counts(m.gallery for m in of_target)}."
        f"{_algorithms(results)}",
        "",
        *table_of(_HEADINGS, map(_cells, lines)),
        "",
        f"![CMC curves of {pair.title}, ranks 1 to {RANKS}]({figure})",
        "",
    ]


def _counts(values: Iterable[int]) -> str:
    return " or ".join(f"{value:,}" for value in sorted(set(values)))


def _algorithms(results: Sequence[ReidResult]) -> str:
    """Options of the rows' algorithms that are not as they come."""
    said = []
    for row in ROWS:
        given = [r.settings.get("algorithm_options") for r in results if r.row == row]
        if any(given):
            said.append(f"{row} with {_each(given)}")
    return f" Options: {'; '.join(said)}." if said else ""


def _cells(line: Line) -> list[str]:
    return [
        title_of(line),
        str(len(line.splits)),
        *(percent(line.oracle_target[name]) for name in MEASURES),
        *(percent(spread) for spread in line.oracle_last.values()),
        *(percent(spread) for spread in line.source.values()),
        NOTHING if line.seconds is None else f"{line.seconds.mean:.0f}",
    ]


def short_cells(line: Line) -> list[str]:
    """Cells of the terminal's table, see ``SHORT``."""
    row, n, *_ = cells = _cells(line)
    return [
        *(line.pair, row, n),
        *(percent(line.oracle_target[name]) for name in MEASURES),
        _signed(line.oracle_gains["area"]),
        cells[-1],
    ]


def _signed(spread: Spread | None) -> str:
    """``+3.1 ± 0.4`` points."""
    if spread is None:
        return NOTHING
    return f"{'+' if spread.mean >= 0 else ''}{percent(spread)}".replace("-", "−")
