"""The verdict in plain sentences: what ran, did it help, how sure, on what grounds, what next."""

from __future__ import annotations

import re
from dataclasses import dataclass

from acclimate.core.records import Estimate, RunRecord
from acclimate.report.table import (
    algorithm_label,
    duration,
    is_source_only,
    oracle_target_accuracy,
    percent,
)

SIGNS = {"helped": "✔", "hurt": "✖", "cannot tell": "?", "no verdict": "–"}


@dataclass(frozen=True)
class VerdictWords:
    """``kind`` is the outcome or "no verdict"; ``sign`` tells the kinds apart without colour."""

    kind: str
    sign: str
    headline: str
    sentences: list[tuple[str, str]]


def verdict_words(record: RunRecord, oracle_baseline: float | None) -> VerdictWords:
    """``oracle_baseline`` is source-only's oracle target accuracy, where it is known."""
    kind = record.verdict.outcome if record.verdict else "no verdict"
    parts = [
        ("What ran", what_ran(record)),
        ("How sure", _how_sure(record)),
        ("Based on", _grounds(record)),
        ("Oracle", _oracle(record, oracle_baseline)),
        ("What next", _next(record)),
    ]
    sentences = [(term, text) for term, text in parts if text]
    return VerdictWords(kind, SIGNS[kind], _headline(record), sentences)


def _headline(record: RunRecord) -> str:
    task = f"from {record.source.name} to {record.target.name}"
    if record.verdict is not None:
        return {
            "helped": f"Adapting {task} helped.",
            "hurt": f"Adapting {task} hurt.",
            "cannot tell": f"Whether adapting {task} helped cannot be told.",
        }[record.verdict.outcome]
    if record.status != "finished":
        return f"No verdict: the run is {state(record)}."
    if record.uses_target_labels:
        return "No verdict: this run trained on target labels; it shows what could be reached."
    if is_source_only(record):
        return "No verdict: this is the reference, trained without the unlabelled target."
    return "No verdict: there was no source-only run to compare with."


def state(record: RunRecord) -> str:
    """Of a run that is not finished."""
    words = {"running": "not finished", "interrupted": "interrupted", "failed": "failed"}
    return f"{words.get(record.status, record.status)}, at step {record.steps_done:,}"


def what_ran(record: RunRecord) -> str:
    """Algorithm, data, steps, time and device."""
    source, target = sum(record.source.items.values()), sum(record.target.items.values())
    names = len(record.source.class_names)
    people = f" ({record.source.identities:,} identities)" if record.source.identities else ""
    classes = "" if record.objective == "retrieval" else f", {names} classes"
    text = (
        f"{algorithm_label(record)} on {source:,} labelled items of {record.source.name}{people}"
        f"{_target_part(record, target)}{classes}; "
        f"{record.steps_done:,} steps in {duration(record.training_seconds)} "
        f"on {record.environment.device}."
    )
    skipped = len(record.source.skipped) + len(record.target.skipped)
    return f"{text} {skipped:,} unreadable files were skipped." if skipped else text


def _target_part(record: RunRecord, items: int) -> str:
    few = record.labelled_target_items
    if is_source_only(record):
        given = f" and {few:,} of {record.target.name}" if few else ""
        return f"{given}, without the {items - few:,} {'other ' * bool(few)}items of {record.target.name}"
    kind = "labelled" if record.uses_target_labels else "unlabelled"
    if few and not record.uses_target_labels:
        return f" and {items:,} items of {record.target.name}, {few:,} of them labelled"
    return f" and {items:,} {kind} items of {record.target.name}"


def _how_sure(record: RunRecord) -> str:
    text = []
    if record.estimate is not None:
        text.append(f"Estimated target accuracy: {_interval(record.estimate)}")
        before = record.verdict.baseline_estimate if record.verdict else None
        text[0] += f"; source-only: {_interval(before)}." if before else "."
    if record.verdict is not None:
        if record.verdict.probability_helped is not None:
            text.append(f"Probability that it helped: {record.verdict.probability_helped:.0%}.")
        text.append(sentence(record.verdict.reason))
    return " ".join(text)


def _interval(estimate: Estimate) -> str:
    return (
        f"{percent(estimate.value)} (between {percent(estimate.low)} and {percent(estimate.high)})"
    )


def sentence(text: str) -> str:
    """``text`` with a capital and a full stop."""
    text = re.sub(r"(?<![\w.])-(?=\d)", "−", text.strip())  # a minus, not a hyphen
    return text and text[0].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def _grounds(record: RunRecord) -> str:
    if record.estimate is None and record.verdict is None:
        return ""
    method = record.estimate.method.replace("_", " ") if record.estimate else "label-free scores"
    text = f"{method}: source validation labels and unlabelled target items. "
    if record.chosen is not None:
        validator = record.chosen.validator.replace("_", " ")
        text += f"Step {record.chosen.step:,} was chosen by the {validator} score. "
    if record.uses_target_labels:
        return sentence(text) + " The training itself used target labels."
    few = record.labelled_target_items
    part = f"But for the {few:,} given for training, no" if few else "No"
    return (
        sentence(text)
        + f" {part} target label had any part in this; the interval is only as good as the method."
    )


def _oracle(record: RunRecord, baseline: float | None) -> str:
    own = oracle_target_accuracy(record)
    if own is None:
        return ""
    text = f"Labels for evaluation exist: the target accuracy is {percent(own)}"
    if baseline is None:
        return f"{text}.{_missed(record, own)}"
    change = 100 * (own - baseline)
    points = f"{change:+.1f}".replace("-", "−")
    text += f", source-only {percent(baseline)} ({points} points).{_missed(record, own)}"
    outcome = record.verdict.outcome if record.verdict else None
    if (outcome == "helped" and change < 0) or (outcome == "hurt" and change > 0):
        text += " This contradicts the verdict: trust the labels."
    return text


def _missed(record: RunRecord, own: float) -> str:
    """Says when the label-free interval does not hold the truth."""
    if record.estimate is None or record.estimate.low <= own <= record.estimate.high:
        return ""
    direction = "too high" if own < record.estimate.low else "too low"
    return f" The label-free estimate is {direction} here: its interval misses this."


def _next(record: RunRecord) -> str:
    if record.status != "finished":
        return next_of_unfinished(record)
    if record.verdict is None:
        return ""
    label = "Label 100 target items picked at random and run “acclimate evaluate” on them"
    if record.verdict.outcome == "helped":
        return f"Use this model. {label}: that gives the accuracy to within about 10 points."
    if record.verdict.outcome == "hurt":
        return (
            "Use the source-only model, not this one. Then read the warnings, weaken the "
            "adaptation or lower the learning rate, or take another algorithm; "
            "check that both domains hold the same classes in similar shares."
        )
    return (
        f"{label}, for this model and for source-only: that decides it. Without labels: "
        "more target data, more steps, or other seeds make the estimate sharper."
    )


def next_of_unfinished(record: RunRecord) -> str:
    """What to do with a run that is not finished."""
    if record.status == "failed":
        return "Read the warnings and the end of the log; what was measured until then is below."
    return "What was measured so far is below. The same command with --resume continues the run."
