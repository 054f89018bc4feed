"""A table's results as text: for the terminal, and as a Markdown page beside the result files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

from acclimate.core.files import write_text_atomically
from acclimate.experiments.lines import Line, by_data, summarise
from acclimate.experiments.markdown import table_of
from acclimate.experiments.results import RowResult
from acclimate.experiments.spread import Spread
from acclimate.experiments.tables import Family, Pair, Table

NOTHING = "–"
COLUMNS = (
    "row",
    "n",
    "target accuracy at the label-free choice (oracle)",
    "last checkpoint (oracle)",
    "best checkpoint (oracle choice)",
    "gap closed (oracle)",
    "label-free estimate",
    "verdict",
    "seconds",
    "published",
)
SHORT = ("pair", "row", "n", "accuracy", "last", "best", "gap closed", "estimate", "seconds")


def write_page(folder: Path, table: Table, results: Sequence[RowResult]) -> Path:
    """Write ``folder/TABLE.md`` from the results; returns its path."""
    path = folder / f"{table.name}.md"
    write_text_atomically(path, page(table, results))
    return path


def page(table: Table, results: Sequence[RowResult]) -> str:
    """The Markdown page: one section for each pair."""
    text = [
        f"# {table.title}",
        "",
        f"Written by `acclimate reproduce {table.name}`; do not edit. Mean ± sample standard deviation "
        "over n seeds, in percent of the target's test items. Rows named *best* train by the default "
        "protocol, the others by the paper's; rows of one kind share network, augmentation and budget "
        "(dann+mi continues dann for as long again). The paper has a linear SVM as last layer in every row, "
        "here those named so and subspace-alignment have one, and are held against source-only with "
        "one. The gap closed is of the seeds that all three rows have. The checkpoint of a run is chosen "
        "without target labels; what did use them is called oracle, and the best checkpoint was looked "
        "for on at most 2,500 of the test items. Seconds are of training.",
        "",
    ]
    families = {row.name: row.family for row in table.rows}
    for (name, data), lines in groupby(
        summarise(table, results), key=lambda line: (line.pair, line.data)
    ):
        groups = by_data([r for r in results if r.pair == name and r.row in families])
        own = [each for found, each in groups if data in (None, found)]
        text += _section(table.pair(name), data, list(lines), own[0] if own else [], families)
    return "\n".join(text)


def _section(
    pair: Pair,
    data: str | None,
    lines: list[Line],
    results: list[RowResult],
    families: Mapping[str, Family],
) -> list[str]:
    found = "" if data is None else f", found as {data}"
    text = [f"## {pair.source} → {pair.target}{found}", "", pair.note, ""]
    if results:
        text += [_facts(results, families), ""]
    return [*text, *table_of(COLUMNS, map(_cells, lines)), ""]


def _facts(results: list[RowResult], families: Mapping[str, Family]) -> str:
    """What the results of a pair have in common, and what differs, in one paragraph."""
    domains = sorted({f"{result.source} → {result.target}" for result in results})
    machines = {
        f"{result.threads} thread{'s' * (result.threads > 1)} of {result.processor} ({result.device})"
        for result in results
    }
    paper, best = (
        _network_of([r for r in results if families[r.row] == family])
        for family in ("paper", "best")
    )
    notes = list(dict.fromkeys(note for result in results for note in result.notes))
    return (
        f"Domains as found: {'; '.join(domains)}. Items: {_items(results)}. "
        f"{'; '.join(sorted(machines))}. Network of the paper's rows: {paper}; of the best rows: "
        f"{best}." + "".join(f" {note}." for note in notes)
    )


def _network_of(results: list[RowResult]) -> str:
    """``mnist-cnn in precision 32``, or a dash where there is no result."""
    found = {f"{result.settings['network']} in precision {result.precision}" for result in results}
    return ", ".join(sorted(found)) or NOTHING


def _items(results: list[RowResult]) -> str:
    """``source train 720, target adapt 530 or 540``: every count that occurs."""
    counts: dict[str, set[int]] = {}
    for result in results:
        for part, count in result.items.items():
            counts.setdefault(part, set()).add(count)
    return ", ".join(
        f"{part} {' or '.join(f'{count:,}' for count in sorted(found))}"
        for part, found in counts.items()
    )


def _cells(line: Line) -> list[str]:
    published = "; ".join(
        f"{p['system']} {100 * p['accuracy']:.4g}" + (f" ({p['note']})" if p["note"] else "")
        for p in line.published
    )
    return [*_measured(line), verdicts(line), _seconds(line), published or NOTHING]


def short_cells(line: Line) -> list[str]:
    """The cells of the terminal's table, under ``SHORT``."""
    pair = line.pair if line.data is None else f"{line.pair} ({line.data})"
    return [pair, *_measured(line), _seconds(line)]


def _measured(line: Line) -> list[str]:
    """What both tables show, from the row's name to the estimate."""
    return [
        line.row if line.variant is None else f"{line.row} ({line.variant})",
        str(len(line.seeds)),
        percent(line.oracle_target_accuracy),
        percent(line.oracle_last_accuracy),
        percent(line.oracle_best_accuracy),
        _gap(line),
        percent(line.estimate),
    ]


def percent(spread: Spread | None) -> str:
    """``76.5 ± 2.2``, without the deviation for one seed.

    >>> percent(Spread(mean=0.765, sd=0.022, n=3)), percent(Spread(mean=0.831, sd=None, n=1))
    ('76.5 ± 2.2', '83.1')
    """
    if spread is None:
        return NOTHING
    text = f"{100 * spread.mean:.1f}"
    return text if spread.sd is None else f"{text} ± {100 * spread.sd:.1f}"


def verdicts(line: Line) -> str:
    """``helped 2, cannot tell 1``."""
    counted = {verdict: line.verdicts.count(verdict) for verdict in dict.fromkeys(line.verdicts)}
    return ", ".join(f"{verdict} {count}" for verdict, count in counted.items()) or NOTHING


def _gap(line: Line) -> str:
    return NOTHING if line.oracle_gap_closed is None else f"{100 * line.oracle_gap_closed:.0f} %"


def _seconds(line: Line) -> str:
    return NOTHING if line.seconds is None else f"{line.seconds.mean:.0f}"
