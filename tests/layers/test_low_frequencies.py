"""The exchange of amplitudes against NumPy's full transform, shifted to the middle as in the paper."""

import numpy as np
import pytest
import torch

from acclimate.layers.low_frequencies import with_low_frequencies_of


def draw(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def by_hand(style, content, band):
    found = []
    for theirs, ours in zip(style.double().numpy(), content.double().numpy(), strict=True):
        spectra = [np.fft.fftshift(np.fft.fft2(each), axes=(1, 2)) for each in (theirs, ours)]
        amplitude, phase = np.abs(spectra[1]), np.angle(spectra[1])
        height, width = ours.shape[1:]
        reach = int(np.floor(band * min(height, width)))
        rows = slice(max(0, height // 2 - reach), height // 2 + reach + 1)
        columns = slice(max(0, width // 2 - reach), width // 2 + reach + 1)
        amplitude[:, rows, columns] = np.abs(spectra[0])[:, rows, columns]
        spectrum = np.fft.ifftshift(amplitude * np.exp(1j * phase), axes=(1, 2))
        found.append(np.fft.ifft2(spectrum).real)
    return np.stack(found)


@pytest.mark.parametrize("size", [(8, 8), (9, 9), (12, 7), (7, 12)])
@pytest.mark.parametrize("band", [0.0, 0.13, 0.3])
def test_against_numpy(size, band):
    style, content = draw(0, 3, 2, *size), draw(1, 3, 2, *size)
    found = with_low_frequencies_of(style, content, band)
    np.testing.assert_allclose(found.numpy(), by_hand(style, content, band), atol=1e-5)


def test_its_own_frequencies_change_nothing():
    content = draw(0, 2, 3, 8, 8)
    torch.testing.assert_close(with_low_frequencies_of(content, content, 0.3), content)


def test_only_the_mean_without_a_band():
    """At frequency 0 the amplitude is the mean's size."""
    style, content = draw(0, 2, 1, 8, 8) + 5, draw(1, 2, 1, 8, 8) + 2
    found = with_low_frequencies_of(style, content, 0.0)
    torch.testing.assert_close(found.mean((2, 3)), style.mean((2, 3)))
    rest = found - found.mean((2, 3), keepdim=True)
    torch.testing.assert_close(rest, content - content.mean((2, 3), keepdim=True))


def test_dtype_and_layout_stay():
    content = draw(0, 2, 3, 8, 8).bfloat16().contiguous(memory_format=torch.channels_last)
    found = with_low_frequencies_of(content, content, 0.1)
    assert found.dtype == torch.bfloat16
    assert found.is_contiguous(memory_format=torch.channels_last)
