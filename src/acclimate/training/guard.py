"""The collapse guard: signs of a failing run, said while it runs and kept in its record."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from acclimate.core.records import Warned
from acclimate.validators.class_shares import effective_classes, far_fewer

# a domain classifier that is always right this early has features it can read at leisure
_ALWAYS = 0.99
_NEVER = 0.01
_PATIENCE = 5
# logged rows at chance: the accuracy of one small batch is mostly noise
_ROWS_AT_CHANCE = 3
# before that many steps nothing has had the time to go wrong, however short the run
_FEWEST_STEPS = 100
# kinds of warnings about what the last layer says
_OF_LAST_LAYER = ("source at chance", "few classes predicted")


@dataclass
class CollapseGuard:
    """Looks at logged values and evaluations; each kind of warning is given once.

    ``class_count`` sets what chance is. Thresholds: source accuracy about chance (see
    ``about_chance``) after 30 % of training, for three logged rows in a row or at an evaluation;
    domain accuracy outside 1 … 99 % for five logged rows in a row after 20 %; the target's
    predicted classes far fewer than the source's labels (see ``far_fewer``) after 30 %. None of
    these before 100 steps are done, except at the end. ``streaks`` counts the rows in a row, to
    be kept with a checkpoint.
    """

    class_count: int
    adapts: bool = True
    warnings: list[Warned] = field(default_factory=list)
    streaks: dict[str, int] = field(default_factory=dict)

    @property
    def _or_weight(self) -> str:
        return " or a smaller algorithm.weight" if self.adapts else ""

    def logged(self, step: int, progress: float, values: Mapping[str, float]) -> Warned | None:
        """Look at one logged row; returns a new warning, if there is one."""
        if not math.isfinite(values["loss"]):
            return self._warn(
                step,
                "non-finite loss",
                "the loss is not finite: training is stopped; "
                "try a smaller --lr, or --gradient-clip 1",
            )
        if step < _FEWEST_STEPS:
            return None
        accuracy = values.get("source_batch_accuracy")
        low = progress > 0.3 and accuracy is not None and about_chance(accuracy, self.class_count)
        if self._in_a_row("source", low) >= _ROWS_AT_CHANCE:
            return self._warn(
                step,
                "source at chance",
                f"accuracy on source batches is {accuracy:.0%}, "
                "about chance: the network has collapsed or never learnt; try a smaller "
                f"--lr{self._or_weight}, or network.normalisation=batch",
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
        if progress <= 0.3 or (step < _FEWEST_STEPS and progress < 1):
            return None
        if about_chance(source_accuracy, self.class_count):
            return self._warn(
                step,
                "source at chance",
                f"held-out source accuracy is {source_accuracy:.0%}, "
                f"about chance; try a smaller --lr{self._or_weight}",
            )
        predicted, expected = effective_classes(predicted_shares), effective_classes(source_shares)
        if far_fewer(predicted, expected):
            return self._warn(
                step,
                "few classes predicted",
                f"target predictions spread over {predicted:.1f} "
                f"classes where the source has {expected:.1f}: classes may be collapsing; try "
                f"a smaller --lr{self._or_weight}",
            )
        return None

    def finished(
        self,
        step: int,
        source_accuracy: float,
        predicted_shares: Sequence[float],
        source_shares: Sequence[float],
    ) -> Warned | None:
        """Look at a model that was given another last layer when training had ended.

        What was said of classes and of source accuracy was said of a layer that is no more, and is
        taken back; returns what has to be said of this one.
        """
        self.warnings[:] = [each for each in self.warnings if each.kind not in _OF_LAST_LAYER]
        return self.evaluated(step, 1.0, source_accuracy, predicted_shares, source_shares)

    def _domain(self, step: int, progress: float, accuracy: float | None) -> Warned | None:
        if accuracy is None or progress < 0.2:
            return None
        extreme = accuracy >= _ALWAYS or accuracy <= _NEVER
        if self._in_a_row("domain", extreme) < _PATIENCE:
            return None
        return self._warn(
            step,
            "domains always told apart",
            f"the domain classifier is right {accuracy:.0%} "
            "of the time: features are not being aligned; try a larger algorithm.weight, a "
            "smaller --lr, or another algorithm.attach",
        )

    def _in_a_row(self, what: str, seen: bool) -> int:
        self.streaks[what] = self.streaks.get(what, 0) + 1 if seen else 0
        return self.streaks[what]

    def _warn(self, step: int, kind: str, message: str) -> Warned | None:
        if any(warned.kind == kind for warned in self.warnings):
            return None
        warned = Warned(step=step, kind=kind, message=message)
        self.warnings.append(warned)
        return warned


def about_chance(accuracy: float, class_count: int) -> bool:
    """At most half as much again as chance, and at most a tenth of the way from chance to 1.

    >>> about_chance(0.15, 10), about_chance(0.16, 10), about_chance(0.75, 2)
    (True, False, False)
    """
    chance = 1 / class_count
    return accuracy <= min(1.5 * chance, chance + 0.1 * (1 - chance))
