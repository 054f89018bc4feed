"""Pictures with another picture's low frequencies."""

from __future__ import annotations

import torch
from torch import Tensor


def with_low_frequencies_of(style: Tensor, content: Tensor, band: float) -> Tensor:
    """``content`` with the low-frequency amplitudes of ``style``; its own phases stay.

    Yang & Soatto, "FDA", 2020, equations 1 to 3: amplitudes are exchanged at all frequencies of at
    most ⌊``band`` · shorter side⌋ cycles per picture in either direction, for each channel alone.

    Args:
        style: (N, C, H, W).
        content: (N, C, H, W) float.
        band: in [0, 0.5]; 0 exchanges the mean's size only.

    >>> dark, light = torch.full((1, 1, 4, 4), 1.0), torch.full((1, 1, 4, 4), 3.0)
    >>> with_low_frequencies_of(light, dark, 0.0).unique()
    tensor([3.])
    """
    height, width = content.shape[-2:]
    # half precision has transforms for few sizes only
    ours, theirs = torch.fft.rfft2(content.float()), torch.fft.rfft2(style.float())
    low = low_frequencies(height, width, band, content.device)
    amplitude = torch.where(low, theirs.abs(), ours.abs())
    changed: Tensor = torch.fft.irfft2(torch.polar(amplitude, ours.angle()), s=(height, width))
    return changed.to(content.dtype).contiguous(memory_format=torch.channels_last)


def low_frequencies(height: int, width: int, band: float, device: torch.device) -> Tensor:
    """(H, W//2 + 1) bool: which of ``rfft2``'s frequencies are within the band."""
    reach = int(band * min(height, width))
    rows = torch.arange(height, device=device)
    columns = torch.arange(width // 2 + 1, device=device)
    # row r stands for r cycles, or for r − H
    return (torch.minimum(rows, height - rows) <= reach)[:, None] & (columns <= reach)
