"""What retrieval came to, in plain sentences. No estimate stands behind them, and no picture."""

from __future__ import annotations

from collections.abc import Sequence

from acclimate.core.records import RunRecord
from acclimate.report.ranks import MEASURES, Ranks
from acclimate.report.table import is_source_only, oracle_target_ranks, rank_text, source_ranks
from acclimate.report.words import (
    SIGNS,
    VerdictWords,
    next_of_unfinished,
    sentence,
    state,
    what_ran,
)


def retrieval_words(record: RunRecord, reference: RunRecord | None) -> VerdictWords:
    """``reference`` is the source-only run of the same task, where it is known."""
    kind = record.verdict.outcome if record.verdict else "no verdict"
    parts = [
        ("What ran", what_ran(record)),
        ("So far", _held_out(record) if record.status != "finished" else ""),
        ("How sure", _how_sure(record)),
        ("Based on", _grounds(record)),
        ("Oracle", _oracle(record, reference)),
        ("Pictures", "Left out: they show people, and no report holds pictures of people."),
        ("What next", _next(record)),
    ]
    return VerdictWords(
        kind, SIGNS[kind], _headline(record), [(term, text) for term, text in parts if text]
    )


def _headline(record: RunRecord) -> str:
    if record.status != "finished":
        return f"No verdict: the run is {state(record)}."
    return _held_out(record) or "Nothing has been measured."


def _held_out(record: RunRecord) -> str:
    ranks = source_ranks(record)
    if ranks is None:
        return ""
    told = _told(ranks, ("rank1", "mean_average_precision"))
    return f"On held-out identities of {record.source.name}: {told}."


def _told(ranks: Ranks[float], measures: Sequence[str]) -> str:
    """The measures that are known.

    >>> _told(Ranks(rank1=0.5, area=0.9), ("rank1", "rank5", "area"))
    'rank 1 50.0%, area under the CMC curve 0.900'
    """
    names = {**MEASURES, "area": "area under the CMC curve"}
    return ", ".join(
        f"{names[measure]} {rank_text(measure, value)}"
        for measure in measures
        if (value := ranks.of(measure)) is not None
    )


def _how_sure(record: RunRecord) -> str:
    none = (
        "No label-free estimate of retrieval accuracy is made: "
        f"how well identities of {record.target.name} are found, only its labels can tell."
    )
    if record.verdict is None:
        return none
    outcome = {"cannot tell": "Whether adapting helped cannot be told."}.get(
        record.verdict.outcome, f"Adapting {record.verdict.outcome}."
    )
    return f"{outcome} {sentence(record.verdict.reason)} {none}"


def _grounds(record: RunRecord) -> str:
    if record.chosen is None:
        return ""
    validator = record.chosen.validator.replace("_", " ")
    text = f"Step {record.chosen.step:,} was chosen by the {validator} score."
    if record.uses_target_labels:
        return f"{text} The training itself used target labels."
    few = record.labelled_target_items
    part = f"But for the {few:,} given for training, no" if few else "No"
    return f"{text} {part} target label had any part in this."


def _oracle(record: RunRecord, reference: RunRecord | None) -> str:
    own = oracle_target_ranks(record)
    if own is None:
        return ""
    text = f"Labels for evaluation exist. On {record.target.name}: {_told(own, list(MEASURES))}."
    before = oracle_target_ranks(reference) if reference else None
    if before is None:
        return text
    text += f" Source-only: {_told(before, list(MEASURES))}."
    if own.rank1 is None or before.rank1 is None:
        return text
    change = f"{100 * (own.rank1 - before.rank1):+.1f}".replace("-", "−")
    return f"{text} The difference at rank 1 is {change} points."


def _next(record: RunRecord) -> str:
    if record.status != "finished":
        return next_of_unfinished(record)
    if oracle_target_ranks(record) is not None or is_source_only(record):
        return ""
    return (
        "To know: say of some pictures of the target, taken by different cameras, which of them "
        "show the same person, and search with this model and with source-only."
    )
