"""Helped, hurt or cannot tell: adapted against source-only, without target labels."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from acclimate.core.records import Estimate, Verdict, Warned


def judge(
    source_labels: Tensor,
    before: tuple[Tensor, Tensor],
    after: tuple[Tensor, Tensor],
    estimates: tuple[Estimate, Estimate],
    warnings: Sequence[Warned],
) -> Verdict:
    return Verdict(
        outcome="cannot tell", probability_helped=None, reason="", baseline_estimate=estimates[0]
    )
