"""The collapse guard: signs of a failing run, said while it runs and kept in its record."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from acclimate.core.records import Warned

# a domain classifier that is always right this early has features it can read at leisure
_ALWAYS = 0.99
_NEVER = 0.01
_PATIENCE = 5


@dataclass
class CollapseGuard:
    """Looks at logged values and evaluations; each kind of warning is given once.

    ``class_count`` sets what chance is. Thresholds: source accuracy within 1.5× chance after 30 %
    of training; domain accuracy outside 1 … 99 % for five logged rows in a row after 20 %; the
    target's predicted classes spread over fewer than half as many as the source's labels.
    """

    class_count: int
    warnings: list[Warned] = field(default_factory=list)
    _streak: int = 0

    def logged(self, step: int, progress: float, values: Mapping[str, float]) -> Warned | None:
        """Look at one logged row; returns a new warning, if there is one."""
        if not math.isfinite(values["loss"]):
            return self._warn(
                step,
                "non-finite loss",
                "the loss is not finite: training is stopped; "
                "try a smaller --lr, or --gradient-clip 1",
            )
        accuracy = values.get("source_batch_accuracy")
        if progress > 0.3 and accuracy is not None and accuracy <= 1.5 / self.class_count:
            return self._warn(
                step,
                "source at chance",
                f"accuracy on source batches is {accuracy:.0%}, "
                "about chance: the network has collapsed or never learnt; try a smaller "
                "--lr, a smaller algorithm.weight, or network.normalisation=batch",
            )
        return self._domain(step, progress, values.get("domain_accuracy"))

    def evaluated(
        self,
        step: int,
        progress: float,
        source_accuracy: float,
        predicted_shares: Sequence[float],
        source_shares: Sequence[float],
    ) -> Warned | None:
        """Look at one evaluation; returns a new warning, if there is one."""
        if progress > 0.3 and source_accuracy <= 1.5 / self.class_count:
            return self._warn(
                step,
                "source at chance",
                f"held-out source accuracy is {source_accuracy:.0%}, "
                "about chance; try a smaller --lr or a smaller algorithm.weight",
            )
        predicted, expected = effective_classes(predicted_shares), effective_classes(source_shares)
        if progress > 0.3 and predicted < 0.5 * expected:
            return self._warn(
                step,
                "few classes predicted",
                f"target predictions spread over {predicted:.1f} "
                f"classes where the source has {expected:.1f}: classes may be collapsing; try "
                "a smaller algorithm.weight",
            )
        return None

    def _domain(self, step: int, progress: float, accuracy: float | None) -> Warned | None:
        if accuracy is None or progress < 0.2:
            return None
        extreme = accuracy >= _ALWAYS or accuracy <= _NEVER
        self._streak = self._streak + 1 if extreme else 0
        if self._streak < _PATIENCE:
            return None
        return self._warn(
            step,
            "domains always told apart",
            f"the domain classifier is right {accuracy:.0%} "
            "of the time: features are not being aligned; try a larger algorithm.weight, a "
            "smaller --lr, or another algorithm.attach",
        )

    def _warn(self, step: int, kind: str, message: str) -> Warned | None:
        if any(warned.kind == kind for warned in self.warnings):
            return None
        warned = Warned(step=step, kind=kind, message=message)
        self.warnings.append(warned)
        return warned


def effective_classes(shares: Sequence[float]) -> float:
    """Exponential of the entropy of class shares: 1 when one class takes all, K when all are alike.

    >>> round(effective_classes([0.5, 0.5, 0.0]), 6)
    2.0
    """
    return math.exp(-sum(share * math.log(share) for share in shares if share > 0))
