"""What becomes of predictions when the inputs change a little or are mixed."""

from __future__ import annotations

from acclimate.validators.base import Evidence, validator
from acclimate.validators.items import only_finite
from acclimate.validators.verdict import agreement


@validator("consistency", needs=("probed", "changed_logits"))
@only_finite
def consistency(evidence: Evidence) -> float:
    """Share of target predictions that survive a small random change of the input, in [0, 1].

    One of the three signals of the verdict, which takes the mean of three draws: docs/verdict.md.
    """
    assert evidence.probed is not None
    assert evidence.changed_logits is not None
    return agreement(evidence.target_logits[evidence.probed], evidence.changed_logits)


@validator("mixval", needs=("probed", "mixed_logits"))
@only_finite
def mixval(evidence: Evidence) -> float:
    """Accuracy on two mixed inputs against the prediction for the larger share, in [0, 1] (Hu et al., 2023).

    The mean of that over pairs of equal and over pairs of different predictions; the authors' code
    leaves the two apart. Deviation: where no predictions differ (one class takes all) that half
    is 0; where none are equal, which many classes make likely, the other half alone decides.
    """
    assert evidence.probed is not None
    assert evidence.mixed_logits is not None
    larger = evidence.target_logits[evidence.probed].argmax(1)
    right = (evidence.mixed_logits.argmax(1) == larger).double()
    same = larger == larger.roll(1)
    different = float(right[~same].mean()) if bool((~same).any()) else 0.0
    return 0.5 * (float(right[same].mean()) + different) if bool(same.any()) else different
