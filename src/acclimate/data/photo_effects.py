"""What a camera and its surroundings do to a picture: light, surfaces, blur, noise, compression.

Colours are float32 in [0, 1]; randomness is passed in. Sizes are those of a thumbnail, so every
function costs some ten microseconds.
"""

from __future__ import annotations

import math
from colorsys import hsv_to_rgb
from functools import cache

import cv2
import numpy as np

Random = np.random.Generator


@cache
def grid(side: int) -> tuple[np.ndarray, np.ndarray]:
    """x and y in [-1, 1], float32 (side, side) each."""
    axis = np.linspace(-1, 1, side, dtype=np.float32)
    x, y = np.meshgrid(axis, axis)
    return x, y


def surface_colour(random: Random, value: float, vivid: float = 0.15) -> np.ndarray:
    """A colour of brightness ``value`` as walls, plates and paint have it: (3,) float32.

    Mostly near grey; bluish and brownish ones are the most frequent. ``vivid``: share of strong ones.
    """
    kind = random.random()
    if kind < 0.45:
        hue = random.normal(0.61, 0.04)
    elif kind < 0.85:
        hue = random.normal(0.07, 0.03)
    else:
        hue = random.random()
    strong = random.random() < vivid
    saturation = random.beta(2.0, 2.0) if strong else 0.5 * random.beta(1.0, 4.0)
    red, green, blue = hsv_to_rgb(hue % 1.0, saturation, 1.0)
    # hues differ in brightness; what is asked for is the brightness that is seen
    scale = value / (0.299 * red + 0.587 * green + 0.114 * blue)
    colour = (min(red * scale, 1.0), min(green * scale, 1.0), min(blue * scale, 1.0))
    return np.array(colour, dtype=np.float32)


def light(random: Random, side: int) -> np.ndarray:
    """Uneven light to multiply with: (side, side, 1) float32 about 1."""
    x, y = grid(side)
    angle, strength = random.uniform(0, 2 * math.pi), random.gamma(1.2, 0.08)
    slope = math.cos(angle) * x + math.sin(angle) * y
    return _plane(1 + strength * slope)


def _plane(values: np.ndarray) -> np.ndarray:
    """(side, side, 1): one value for all colours of a pixel."""
    return values[..., None]


def clouds(random: Random, side: int, cells: int, channels: int = 1) -> np.ndarray:
    """Smooth noise of deviation about 1, ``cells`` cells a side: float32 (side, side, channels)."""
    coarse = random.standard_normal((cells, cells, channels), dtype=np.float32)
    smooth = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
    return smooth.reshape(side, side, channels)


def stripes(random: Random, side: int) -> np.ndarray:
    """Boards, bricks or bars, from -1 to 1: (side, side, 1) float32."""
    x, y = grid(side)
    upright = random.random() < 0.4
    angle = random.normal(0, 0.08) + (math.pi / 2 if upright else 0)
    along = math.sin(angle) * x + math.cos(angle) * y
    wave = np.sin(random.uniform(4, 18) * along + random.uniform(0, 2 * math.pi))
    return _plane((random.uniform(1, 4) * wave).clip(-1, 1))


def beyond_edge(random: Random, side: int, nearest: float) -> np.ndarray:
    """What lies beyond a straight edge, 0 … 1: (side, side, 1) float32.

    The edge stands about upright or level, ``nearest`` … 1 away from the middle (half the side is 1).
    """
    x, y = grid(side)
    angle = int(random.integers(4)) * math.pi / 2 + random.normal(0, 0.07)
    distance = math.cos(angle) * x + math.sin(angle) * y - random.uniform(nearest, 1.0)
    return _plane((distance * (side / 2) + 0.5).clip(0, 1))


def motion_blur(random: Random, picture: np.ndarray, longest: float) -> np.ndarray:
    """Smeared along a line of up to ``longest`` pixels in any direction."""
    kernel = np.zeros((9, 9), dtype=np.float32)
    angle, half = random.uniform(0, math.pi), random.uniform(0.5, longest / 2)
    steps = np.linspace(-half, half, 15)
    columns = np.rint(4 + steps * np.cos(angle)).astype(int).clip(0, 8)
    rows = np.rint(4 + steps * np.sin(angle)).astype(int).clip(0, 8)
    np.add.at(kernel, (rows, columns), 1 / 15)
    return cv2.filter2D(picture, -1, kernel, borderType=cv2.BORDER_REFLECT_101)


def blur(picture: np.ndarray, sigma: float) -> np.ndarray:
    """A Gaussian of ``sigma`` pixels; below 0.25 nothing happens."""
    if sigma < 0.25:
        return picture
    return cv2.GaussianBlur(picture, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)


def sensor_noise(random: Random, picture: np.ndarray, deviation: float) -> np.ndarray:
    """Independent noise in each value."""
    noise: np.ndarray = random.standard_normal(picture.shape, dtype=np.float32)
    noise *= np.float32(deviation)
    noise += picture
    return noise


def compress(picture: np.ndarray, quality: int) -> np.ndarray:
    """uint8 through JPEG and back: blocks, ringing, washed-out colours."""
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    result = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert result is not None  # it has just been encoded
    return result
