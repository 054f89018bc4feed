"""Schedules: pure functions of ``progress``, the share of training done, in [0, 1].

A schedule keeps no counter, so a resumed run continues where it was and a change of the number
of steps needs no change here.
"""

from __future__ import annotations

import math
from collections.abc import Callable

Schedule = Callable[[float], float]


def domain_ramp(progress: float, gamma: float = 10.0) -> float:
    r"""Weight of the reversed gradient, :math:`\lambda_p = 2/(1+e^{-\gamma p}) - 1`, from 0 to nearly 1.

    Ganin et al., JMLR 17(59), 2016, section 5.2.2.

    >>> domain_ramp(0.0), round(domain_ramp(0.5), 4)
    (0.0, 0.9866)
    """
    return 2.0 / (1.0 + math.exp(-gamma * progress)) - 1.0


def paper_annealing(progress: float, alpha: float = 10.0, beta: float = 0.75) -> float:
    r"""Learning-rate factor :math:`(1+\alpha p)^{-\beta}` of Ganin et al., JMLR 2016, section 5.2.2.

    >>> round(paper_annealing(1.0), 4)
    0.1656
    """
    return float((1.0 + alpha * progress) ** -beta)


def cosine_with_warmup(progress: float, warmup: float = 0.05) -> float:
    """Learning-rate factor: linear from near 0 to 1 over ``warmup``, then a half cosine to 0.

    >>> cosine_with_warmup(0.05), round(cosine_with_warmup(1.0), 6)
    (1.0, 0.0)
    """
    if progress < warmup:
        # never exactly 0: the first step of a run should do something
        return max(progress / warmup, 0.02)
    return 0.5 * (1.0 + math.cos(math.pi * (progress - warmup) / (1.0 - warmup)))


def trapezoid(progress: float, warmup: float = 0.05, decay: float = 0.3) -> float:
    """Learning-rate factor: linear from near 0 to 1 over ``warmup``, 1, then linear to 0 over ``decay``.

    Zhai et al., "Scaling vision transformers", 2022, and others since: what is learnt while the
    rate is high goes on for longer than with a cosine, and the decay settles it.

    >>> trapezoid(0.05), trapezoid(0.7), round(trapezoid(0.85), 6), trapezoid(1.0)
    (1.0, 1.0, 0.5, 0.0)
    """
    if progress < warmup:
        return max(progress / warmup, 0.02)
    return min(1.0, (1.0 - progress) / decay)


def constant(progress: float) -> float:
    """Learning-rate factor 1.

    >>> constant(0.3)
    1.0
    """
    return 1.0


LEARNING_RATE_SCHEDULES: dict[str, Schedule] = {
    "paper": paper_annealing,
    "cosine": cosine_with_warmup,
    "trapezoid": trapezoid,
    "constant": constant,
}
