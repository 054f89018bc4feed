"""Statistics that half precision would spoil, in full precision."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import torch
from torch import Tensor

Result = TypeVar("Result")


def full_precision(function: Callable[..., Result]) -> Callable[..., Result]:
    """Run ``function`` without autocast, its positional tensors in float32 or float64.

    Autocast would turn the operands of a matrix product into bfloat16 again, however exact they
    were: differences of covariances or of squared distances are lost there.

    >>> @full_precision
    ... def product(first, second):
    ...     return first @ second
    >>> with torch.autocast("cpu", torch.bfloat16):
    ...     product(torch.ones(1, 1, dtype=torch.bfloat16), torch.ones(1, 1)).dtype
    torch.float32
    """

    @wraps(function)
    def exact(*arguments: Any, **options: Any) -> Result:
        tensors = [each for each in arguments if isinstance(each, Tensor)]
        with torch.autocast(tensors[0].device.type, enabled=False):
            return function(*(_lifted(each) for each in arguments), **options)

    return exact


def _lifted(argument: Any) -> Any:
    if not isinstance(argument, Tensor) or not argument.is_floating_point():
        return argument
    return argument.to(torch.promote_types(argument.dtype, torch.float32))
