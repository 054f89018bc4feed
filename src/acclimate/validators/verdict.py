"""Helped, hurt or cannot tell: adapted against source-only, without target labels.

Confidence cannot answer this: a network whose classes were mixed up by too much domain confusion
is as sure as a good one (in our measurements the thresholded confidence of a run that fell from
.69 to .58 rose from .88 to .99). Three things that can be seen without labels tell more:

1. *shares*: the distance of the predicted class shares from the source's. Says nothing where classes
   are not as frequent on the target as in the source, see ``share_trust``.
2. *consistency*: how often a prediction survives a small change of the input.
3. *stability*: how often it survives the last part of training, between checkpoints.

Their differences, adapted minus source-only, are weighed into an expected change of accuracy. The
weights are rounded from a ridge regression over 42 comparisons (7 pairs of built-in digit sets and
recipes, 2 algorithms, 3 seeds), whose error on pairs left out of the fit was 4 points with a
correlation of .81; see docs/verdict.md. They are constants: no run's labels enter its verdict.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from acclimate.core.records import Behaviour, Estimate, Outcome, Verdict, Warned

SHARES, CONSISTENCY, STABILITY = -0.75, 0.5, 0.2
#: standard error of the expected change on pairs left out, widened a little for other data
ERROR = 0.045
#: one signal alone should not decide: differences beyond this count as this
LARGEST = 0.3
#: evident difference of the true class shares from which on predicted ones are not looked at
SHIFT = 0.2
#: fall of consistency from which on nearer shares are no reason to believe in a gain
CONTRADICTED = 0.05
SURE = 0.7
FATAL = ("source at chance", "non-finite loss")


def agreement(first: Tensor, second: Tensor) -> float:
    """Share of items, in [0, 1], for which two (N, K) sets of logits predict the same class."""
    return float((first.argmax(1) == second.argmax(1)).double().mean())


def share_trust(before: Behaviour) -> float:
    """How far class shares may speak, in [0, 1]: 0 where those of the target evidently differ.

    Predicted shares are at most as far from the target's true ones as there are mistakes. So what
    lies beyond the share of mistakes of source-only, for which its inconsistency stands, is the
    least by which the true shares of the two domains differ.

    >>> share_trust(Behaviour(share_distance=0.2, consistency=0.7, stability=0.9))
    1.0
    >>> share_trust(Behaviour(share_distance=0.3, consistency=0.98, stability=0.9))
    0.0
    """
    evident = before.share_distance - (1 - before.consistency)
    return max(0.0, min(1.0, 1 - evident / SHIFT))


def expected_change(before: Behaviour, after: Behaviour) -> float:
    """Expected accuracy on the target, adapted minus source-only.

    >>> same = Behaviour(share_distance=0.1, consistency=0.9, stability=0.9)
    >>> expected_change(same, same)
    0.0
    """
    shares = share_trust(before) * _bounded(after.share_distance - before.share_distance)
    if shares < 0:
        # a model pressed into the source's shares has them, and wavers more than before
        fall = before.consistency - after.consistency
        shares *= max(0.0, min(1.0, 1 - fall / CONTRADICTED))
    consistency = _bounded(after.consistency - before.consistency)
    stability = _bounded(after.stability - before.stability)
    return SHARES * shares + CONSISTENCY * consistency + STABILITY * stability


def judge(
    before: Behaviour,
    after: Behaviour,
    items: int,
    baseline_estimate: Estimate | None = None,
    warnings: Sequence[Warned] = (),
) -> Verdict:
    """The verdict on an adapted model.

    Args:
        before, after: behaviour of source-only and of the adapted model on the same items.
        items: how many items that was; few make the verdict less sure.
        baseline_estimate: source-only's estimated accuracy, kept for the record.
        warnings: of the adapted run; a collapse decides by itself.
    """
    change = expected_change(before, after)
    # shares and agreements of n items are themselves uncertain by about 1/√(4n)
    error = math.sqrt(ERROR**2 + 1 / (4 * max(1, items)))
    probability = 0.5 * (1 + math.erf(change / error / math.sqrt(2)))
    fatal = next((warned for warned in warnings if warned.kind in FATAL), None)
    if fatal is not None:
        probability, reason = 0.0, f"training collapsed at step {fatal.step}: {fatal.message}"
    else:
        reason = _explain(before, after, change, error)
        if after.few_classes and probability >= SURE:
            # steady it is, and so is whoever says the same of everything
            probability = 0.5
            reason += "; but far fewer classes are predicted than the source has"
    return Verdict(
        outcome=_outcome(probability),
        probability_helped=probability,
        reason=reason,
        expected_change=change,
        before=before,
        after=after,
        baseline_estimate=baseline_estimate,
    )


def _outcome(probability: float) -> Outcome:
    if probability >= SURE:
        return "helped"
    return "hurt" if probability <= 1 - SURE else "cannot tell"


def _bounded(value: float) -> float:
    return max(-LARGEST, min(LARGEST, value))


def _explain(before: Behaviour, after: Behaviour, change: float, error: float) -> str:
    trust = share_trust(before)
    doubt = "" if trust > 0.9 else f" (counted {trust:.0%}: the target's own shares seem to differ)"
    return (
        f"expected change of target accuracy {round(100 * change):+d} ± {100 * error:.0f} points against "
        f"source-only: predicted class shares lie {_points(before.share_distance, after.share_distance)} "
        f"from the source's{doubt}, small changes of the input leave "
        f"{_points(before.consistency, after.consistency)} of predictions as they are, the last part "
        f"of training {_points(before.stability, after.stability)}"
    )


def _points(before: float, after: float) -> str:
    return f"{before:.0%} → {after:.0%}"
