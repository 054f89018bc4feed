"""House numbers as a street camera sees them, cropped about one of their digits.

A scene is put together at twice the final size: a background with edges, stripes and clouds, a number
of one to three digits, a little bent, with outline or shadow, light of some colour, then a sensor of
limited resolution, blur, sharpening, noise and JPEG. All ranges were set by hand, beside pictures of
SVHN and percentiles of their brightness, contrast, colour and sharpness, without labels.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from acclimate.data import photo_effects as effects
from acclimate.data.fonts import BAR, DIGIT_HEIGHT, FIELD, FOOTLESS, DigitFields

SIZE = 32
CANVAS = 2 * SIZE
_OUTSIDE = -20.0
_AXIS = np.arange(CANVAS, dtype=np.float32)


@dataclass(frozen=True)
class Number:
    """``digits``: what is written; ``centre``: which of them the picture is about.

    ``one``: the shape of every 1: the font's own (1), ``FOOTLESS`` or ``BAR``.
    """

    digits: tuple[int, ...]
    centre: int
    one: int = 1

    @property
    def label(self) -> int:
        return self.digits[self.centre]

    @property
    def shapes(self) -> list[int]:
        """Which of a font's fields each digit is drawn from."""
        return [self.one if digit == 1 else digit for digit in self.digits]


@dataclass(frozen=True, kw_only=True)
class Pose:
    """Where and how a number stands; lengths in canvas pixels, ``height`` that of a digit.

    ``stretch``: width over the font's own. ``gap``: between digits, in heights.
    """

    height: float = 46.0
    stretch: float = 1.0
    turn: float = 0.0
    slant: float = 0.0
    shift: tuple[float, float] = (0.0, 0.0)
    gap: float = 0.1


@dataclass(frozen=True, kw_only=True)
class Paint:
    """How a number is painted: boldness and outline in canvas pixels, colours (3,) in [0, 1]."""

    boldness: float = 0.0
    ink: np.ndarray = field(default_factory=lambda: np.ones(3, np.float32))
    outline: float = 0.0
    outline_ink: np.ndarray | None = None
    shadow: tuple[int, int] | None = None
    shadow_strength: float = 0.0


def draw_number(font: DigitFields, random: np.random.Generator) -> tuple[np.ndarray, int]:
    """A picture uint8 (32, 32, 3) and the digit in its centre."""
    number = random_number(random)
    pose = random_pose(random)
    distance = bent(distances(font, number, pose), random)
    ground, ground_value = background(random)
    paint = random_paint(random, ground_value, font.stroke * pose.height / DIGIT_HEIGHT, pose)
    scene = painted(ground, distance, paint) * effects.light(random, CANVAS) * tint(random)
    return photographed(scene, random), number.label


def random_number(random: np.random.Generator) -> Number:
    """One digit (an eighth), two or three; the picture is about any one of them.

    No bundled font has a 1 without a foot, and most house numbers do.
    """
    length = (1, 2, 2, 2, 3, 3, 3, 3)[random.integers(8)]
    digits = tuple(random.integers(10, size=length).tolist())
    one = (1, 1, FOOTLESS, FOOTLESS, FOOTLESS, BAR)[random.integers(6)]
    return Number(digits, int(random.integers(length)), one)


def random_pose(random: np.random.Generator) -> Pose:
    turn = 12.0 if random.random() < 0.2 else 4.0
    return Pose(
        height=CANVAS * random.uniform(0.5, 0.92),
        stretch=random.uniform(0.55, 1.1),
        turn=np.deg2rad(random.normal(0, turn)),
        slant=random.normal(0, 0.1),
        shift=(random.normal(0, 1.8), random.normal(0, 1.8)),
        gap=random.uniform(0.03, 0.4),
    )


def distances(font: DigitFields, number: Number, pose: Pose) -> np.ndarray:
    """Distance in canvas pixels to the nearest outline, positive inside: (CANVAS, CANVAS) float32."""
    scale = pose.height / DIGIT_HEIGHT
    cosine, sine = np.cos(pose.turn), np.sin(pose.turn)
    turn = np.array([[cosine, -sine], [sine, cosine]])
    matrix = turn @ np.array([[pose.stretch, -pose.slant], [0.0, 1.0]]) * scale
    middle = (FIELD - 1) / 2
    result = np.full((CANVAS, CANVAS), _OUTSIDE, dtype=np.float32)
    for shape, place in zip(number.shapes, _places(font, number, pose.gap), strict=True):
        if abs(place * scale * pose.stretch) > CANVAS:
            continue  # out of sight
        centre = matrix @ (place - middle, -middle) + (CANVAS - 1) / 2 + np.array(pose.shift)
        warp = np.array(((*matrix[0], centre[0]), (*matrix[1], centre[1])))
        seen = cv2.warpAffine(
            font.fields[shape], warp, (CANVAS, CANVAS), borderValue=_OUTSIDE, flags=cv2.INTER_LINEAR
        )
        np.maximum(result, seen, out=result)
    result *= np.float32(scale * np.sqrt(pose.stretch))
    return result


def bent(distance: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The digits with smoothly moved outlines, as other fonts, brushes and bent plates have them."""
    strength = np.float32(random.uniform(0.0, 1.8))
    moved = strength * effects.clouds(random, CANVAS, int(random.integers(3, 6)), 2)
    x, y = np.meshgrid(_AXIS, _AXIS)
    dx, dy = moved.clip(-4, 4).transpose(2, 0, 1)
    return cv2.remap(distance, x + dx, y + dy, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _places(font: DigitFields, number: Number, gap: float) -> np.ndarray:
    """Centres of the digits in field pixels along the line; the centre digit's is 0."""
    widths = font.widths[number.shapes]
    steps = (widths[:-1] + widths[1:]) / 2 + gap * DIGIT_HEIGHT
    places: np.ndarray = np.concatenate(([0.0], np.cumsum(steps)))
    places -= places[number.centre]
    return places


def tint(random: np.random.Generator) -> np.ndarray:
    """The colour of the light, mostly a little blue: factors float32 (3,) about 1."""
    warmth = random.normal(-0.03, 0.05)
    return np.array([1 + warmth, 1 + random.normal(0, 0.02), 1 - warmth], dtype=np.float32)


def background(random: np.random.Generator) -> tuple[np.ndarray, float]:
    """A surface (CANVAS, CANVAS, 3) and its brightness about the middle."""
    value = random.uniform(0.06, 0.9)
    ground = np.empty((CANVAS, CANVAS, 3), dtype=np.float32)
    ground[:] = _colour(random, value)
    if random.random() < 0.4:
        strength = random.gamma(1.5, 0.03)
        ground += np.float32(strength) * effects.clouds(random, CANVAS, int(random.integers(2, 6)))
    if random.random() < 0.2:
        strength = random.gamma(1.5, 0.02)
        ground += np.float32(strength) * effects.clouds(random, CANVAS, int(random.integers(8, 33)))
    if random.random() < 0.08:
        ground += np.float32(random.uniform(0.02, 0.08)) * effects.stripes(random, CANVAS)
    for _ in range((0, 0, 0, 1, 1, 2)[random.integers(6)]):
        beyond = effects.beyond_edge(random, CANVAS, 0.6)
        ground += beyond * (_colour(random, random.uniform(0.05, 1.0)) - ground)
    return ground, value


def _colour(random: np.random.Generator, value: float) -> np.ndarray:
    return effects.surface_colour(random, value, vivid=0.05)


def random_paint(
    random: np.random.Generator, ground_value: float, stroke: float, pose: Pose
) -> Paint:
    """Colours that stand out from a ground of brightness ``ground_value``, sometimes hardly.

    ``stroke``: half the thickness of the font's strokes in canvas pixels. Thin ones are painted
    thicker, to 8 … 18 hundredths of their height, less where digits are narrow: house numbers are
    made to be read from the street.
    """
    thickness = pose.height * random.uniform(0.08, 0.18) * min(pose.stretch, 1.0) ** 0.5
    value = value_apart(random, ground_value)
    outlined = random.random() < 0.12
    shadowed = random.random() < 0.2
    return Paint(
        boldness=max(random.normal(0.6, 1.0), thickness / 2 - stroke, -0.3 * stroke),
        ink=_colour(random, value),
        outline=random.uniform(1.0, 3.0) if outlined else 0.0,
        outline_ink=_colour(random, random.uniform(0.05, 1)) if outlined else None,
        shadow=(int(random.integers(-4, 5)), int(random.integers(-4, 5))) if shadowed else None,
        shadow_strength=random.uniform(0.2, 0.7) if shadowed else 0.0,
    )


def value_apart(random: np.random.Generator, value: float) -> float:
    """A brightness darker or lighter than ``value``, more often towards where there is room."""
    below, above = value - 0.02, 0.98 - value
    darker = random.random() * (below**2 + above**2) < below**2
    room = below if darker else above
    low, high = (0.12, 0.25) if random.random() < 0.2 else (0.25, max(0.9 * room, 0.3))
    contrast = random.uniform(low, high)
    return max(value - contrast, 0.02) if darker else min(value + contrast, 0.98)


def painted(ground: np.ndarray, distance: np.ndarray, paint: Paint) -> np.ndarray:
    """The number on the ground: (CANVAS, CANVAS, 3) float32."""
    ink = _cover(distance, paint.boldness)
    scene = ground
    if paint.shadow is not None:
        fallen = np.roll(ink, paint.shadow, axis=(0, 1))
        scene = scene * (1 - np.float32(paint.shadow_strength) * fallen)
    if paint.outline_ink is not None:
        ring = _cover(distance, paint.boldness + paint.outline)
        scene = scene + ring * (paint.outline_ink - scene)
    inked: np.ndarray = scene + ink * (paint.ink - scene)
    return inked


def _cover(distance: np.ndarray, boldness: float) -> np.ndarray:
    cover: np.ndarray = np.clip(distance + np.float32(boldness + 0.5), 0, 1)[..., None]
    return cover


def photographed(scene: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The scene as uint8 (32, 32, 3): sampled, blurred, sharpened, noisy, compressed, enlarged."""
    if random.random() < 0.1:
        scene = _fringed(scene, random)
    seen = SIZE if random.random() < 0.2 else int(random.integers(10, SIZE))
    picture = cv2.resize(scene, (seen, seen), interpolation=cv2.INTER_AREA)
    picture = effects.blur(picture, min(0.35 + random.gamma(2.0, 0.45), 2.5) * seen / SIZE)
    if random.random() < 0.15:
        picture = effects.motion_blur(random, picture, 6.0 * seen / SIZE)
    if random.random() < 0.4:
        picture += random.uniform(0.2, 0.8) * (picture - effects.blur(picture, 1.5))
    picture = effects.sensor_noise(random, picture, random.gamma(1.2, 0.006))
    pixels = (picture.clip(0, 1) * 255 + 0.5).astype(np.uint8)
    way = cv2.INTER_CUBIC if random.random() < 0.5 else cv2.INTER_LINEAR
    pixels = effects.compress(pixels, int(random.integers(30, 98)))
    enlarged = cv2.resize(pixels.astype(np.float32), (SIZE, SIZE), interpolation=way)
    enlarged = effects.sensor_noise(random, enlarged, random.gamma(4.0, 0.075))
    return (enlarged.clip(0, 255) + 0.5).astype(np.uint8)


def _fringed(scene: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Colours that do not quite meet, as at the rim of a lens."""
    shift = (-2, -1, 1, 2)[random.integers(4)]
    channel = 2 * int(random.integers(2))
    scene = scene.copy()
    scene[..., channel] = np.roll(scene[..., channel], shift, axis=int(random.integers(2)))
    return scene
