"""The divergence of one prediction from another."""

from __future__ import annotations

from torch import Tensor


def divergences(reference_logits: Tensor, logits: Tensor) -> Tensor:
    """Kullback–Leibler divergence KL(p ‖ q) of each item, (N,), in nats, in float32 at least.

    Args:
        reference_logits: (N, K) of p; no gradient flows into it.
        logits: (N, K) of q.

    >>> import torch
    >>> divergences(torch.tensor([[50.0, 0.0]]), torch.zeros(1, 2))
    tensor([0.6931])
    """
    exact = logits.double() if logits.element_size() > 4 else logits.float()
    reference = reference_logits.detach().to(exact.dtype).log_softmax(1)
    return (reference.exp() * (reference - exact.log_softmax(1))).sum(1)
