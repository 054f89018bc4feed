"""Traffic signs as a camera in a moving car sees them: pictogram, surroundings, light, camera.

What varies follows what is known of the "Syn Signs" of Moiseev et al. (2013): backgrounds,
brightness, saturation, rotation in three dimensions, Gaussian and motion blur. Added are what real frames
show as well: neighbouring signs and poles, shadows, things in front, glare, few pixels, noise.
Colours are float32 in [0, 1] on a canvas larger than the final picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from acclimate.data import photo_effects as effects
from acclimate.data.pictograms import SIDE as PICTOGRAM_SIDE
from acclimate.data.pictograms import Pictogram

SIDE = 40
CANVAS = 64

Random = np.random.Generator

_IDENTITY = np.eye(3, dtype=np.float32)
_GREY = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_TO_UNIT = np.array(
    [
        [2 / PICTOGRAM_SIDE, 0, -1],
        [0, 2 / PICTOGRAM_SIDE, -1],
        [0, 0, 1],
    ]
)


def draw_sign(
    pictogram: Pictogram,
    others: Sequence[Pictogram],
    photos: Sequence[np.ndarray],
    random: Random,
) -> np.ndarray:
    """One sign in a street: uint8 (40, 40, 3).

    ``others``: signs that may hang above or below it. ``photos``: uint8 (height, width, 3), of
    which the background is cut; where there are none it is smooth noise.
    """
    pose = _pose(pictogram, random)
    scene = _background(photos, random)
    _add_pole(scene, random)
    if random.random() < 0.25:
        neighbour = others[int(random.integers(len(others)))]
        scene = _hang(scene, neighbour, _beside(pose, random), random)
    elif random.random() < 0.12:
        _add_plate(scene, random)
    scene = _hang(scene, pictogram, pose, random)
    scene = _things_in_front(scene, photos, random)
    scene = _lit(scene, random)
    return _photographed(scene, random)


# The sign in space


def _pose(pictogram: Pictogram, random: Random) -> np.ndarray:
    """Homography (3, 3) from the pictogram's pixels to the canvas.

    The sign is turned in space, seen in perspective and fills 60 to 100 % of the frame. Frames
    are made square, so that a turned sign is partly stretched back.
    """
    projection = np.eye(3)
    projection[:, :2] = _rotation(random)
    projection[2, :2] /= random.uniform(2.5, 8.0)  # the distance, in half signs
    outline = pictogram.outline @ projection[:, :2].T + projection[:, 2]
    corners = outline[:, :2] / outline[:, 2:]
    low, high = corners.min(0), corners.max(0)
    extent = high - low
    stretch = random.uniform(0.3, 1.0)
    fill = CANVAS * random.uniform(0.6, 1.0)
    scale = fill * extent**-stretch * extent.max() ** (stretch - 1)
    middle = CANVAS / 2 + CANVAS * np.clip(random.normal(0, 0.025, 2), -0.08, 0.08)
    shift = middle - scale * (low + high) / 2
    place = np.array([[scale[0], 0, shift[0]], [0, scale[1], shift[1]], [0, 0, 1]])
    pose: np.ndarray = place @ projection @ _TO_UNIT
    return pose


def _rotation(random: Random) -> np.ndarray:
    """First two columns (3, 2) of a rotation about the upright, the level and the viewing axis."""
    yaw, pitch, roll = random.normal(0, (0.30, 0.12, 0.07)).clip(-0.9, 0.9).tolist()
    across = (math.cos(yaw), 0.0)
    down = (math.sin(pitch) * math.sin(yaw), math.cos(pitch))
    depth = (-math.cos(pitch) * math.sin(yaw), math.sin(pitch))
    cos, sin = math.cos(roll), math.sin(roll)
    return np.array(
        [
            [cos * across[0] - sin * down[0], cos * across[1] - sin * down[1]],
            [sin * across[0] + cos * down[0], sin * across[1] + cos * down[1]],
            depth,
        ]
    )


def _beside(pose: np.ndarray, random: Random) -> np.ndarray:
    """The same pose one sign above or below."""
    direction = 1.0 if random.random() < 0.6 else -1.0
    shift = np.eye(3)
    shift[:2, 2] = random.normal(0, 1.5), direction * CANVAS * random.uniform(0.82, 1.1)
    beside: np.ndarray = shift @ pose
    return beside


def _hang(scene: np.ndarray, pictogram: Pictogram, pose: np.ndarray, random: Random) -> np.ndarray:
    warped = cv2.warpPerspective(pictogram.colours, pose, (CANVAS, CANVAS))
    sign = warped.astype(np.float32) * np.float32(1 / 255)
    alpha = cv2.cvtColor(cv2.extractChannel(sign, 3), cv2.COLOR_GRAY2BGR)
    colours = cv2.transform(sign, _paint(random))
    if random.random() < 0.4:
        dirt = np.float32(random.gamma(1.2, 0.05)) * effects.clouds(random, CANVAS, 5)
        colours = colours * (1 + dirt)
    return scene * (1 - alpha) + colours


def _paint(random: Random) -> np.ndarray:
    """Matrix (3, 4) from premultiplied colours and alpha to the paint as it has become.

    Faded colours, blacks that are grey and whites that are not quite white.
    """
    black, white = random.uniform(0.02, 0.16), random.uniform(0.6, 0.95)
    saturation = random.uniform(0.55, 1.1)
    matrix = np.empty((3, 4), dtype=np.float32)
    matrix[:, :3] = saturation * _IDENTITY + (1 - saturation) * _GREY
    tint = 1 + random.normal(0, 0.04, 3)
    matrix[:, :3] *= ((white - black) * tint)[:, None]
    matrix[:, 3] = black
    return matrix


# What is behind it


def _background(photos: Sequence[np.ndarray], random: Random) -> np.ndarray:
    """A crop of a photo, near or far, darker or brighter than the sign; often with sky."""
    if photos:
        photo = photos[int(random.integers(len(photos)))]
        scene = _crop(photo, random)
    else:
        scene = 0.45 + 0.2 * effects.clouds(random, CANVAS, int(random.integers(3, 10)), 3)
    scene *= np.float32(math.exp(random.normal(-0.35, 0.5)))
    kind = random.random()
    if kind < 0.18:
        sky = _sky(random)
        scene += effects.beyond_edge(random, CANVAS, -0.6) * (sky - scene)
    elif kind < 0.30:
        seen_through = random.uniform(0.6, 1.0)
        scene += np.float32(seen_through) * (_sky(random) - scene)
    return scene


def _crop(photo: np.ndarray, random: Random) -> np.ndarray:
    height, width = photo.shape[:2]
    side = min(int(10 * math.exp(random.uniform(0, math.log(11)))), height, width)
    top, left = random.integers(height - side + 1), random.integers(width - side + 1)
    cut = photo[top : top + side, left : left + side]
    if random.random() < 0.5:
        cut = cut[:, ::-1]
    larger = cv2.INTER_CUBIC if side < CANVAS else cv2.INTER_AREA
    scaled = cv2.resize(np.ascontiguousarray(cut), (CANVAS, CANVAS), interpolation=larger)
    return scaled.astype(np.float32) * np.float32(1 / 255)


def _sky(random: Random) -> np.ndarray:
    """White to light blue or grey, brighter than any paint."""
    blue = random.beta(1.0, 3.0)
    colour = np.array([1 - 0.5 * blue, 1 - 0.25 * blue, 1.0], dtype=np.float32)
    return np.float32(random.uniform(0.7, 1.5)) * colour


def _add_pole(scene: np.ndarray, random: Random) -> None:
    if random.random() > 0.4:
        return
    middle = CANVAS // 2 + round(random.normal(0, 2.5))
    half = int(random.integers(1, 4))
    grey = random.uniform(0.15, 0.7)
    top = 0 if random.random() < 0.3 else CANVAS // 2
    colour = tuple(grey * random.uniform(0.9, 1.1) for _ in range(3))
    cv2.rectangle(scene, (middle - half, top), (middle + half, CANVAS), colour, -1)


def _add_plate(scene: np.ndarray, random: Random) -> None:
    """A white plate below the sign, with a dark line or two of writing."""
    top = CANVAS - int(random.integers(2, 10))
    half = int(random.integers(14, 29))
    white, middle = random.uniform(0.6, 0.9), CANVAS // 2
    cv2.rectangle(scene, (middle - half, top), (middle + half, CANVAS), (white,) * 3, -1)
    line = top + 4
    cv2.line(scene, (middle - half // 2, line), (middle + half // 2, line), (0.2,) * 3, 2)


# What is in front of it, and the light on it


def _things_in_front(scene: np.ndarray, photos: Sequence[np.ndarray], random: Random) -> np.ndarray:
    kind = random.random()
    if kind < 0.035:
        _add_branches(scene, random)
    elif kind < 0.065:
        _add_sticker(scene, random)
    elif kind < 0.08:
        at = int(random.integers(CANVAS))
        grey = random.uniform(0.1, 0.6)
        cv2.line(scene, (at, 0), (at + int(random.integers(-5, 6)), CANVAS), (grey,) * 3, 4)
    elif kind < 0.14:
        hidden = effects.beyond_edge(random, CANVAS, 0.45)
        if random.random() < 0.6:  # leaves have no straight edge
            hidden = hidden * np.clip(2 * effects.clouds(random, CANVAS, 6) + 1, 0, 1)
        scene = scene + hidden * (_crop_or_colour(photos, random) - scene)
    return scene


def _crop_or_colour(photos: Sequence[np.ndarray], random: Random) -> np.ndarray:
    if photos:
        return _crop(photos[int(random.integers(len(photos)))], random)
    return effects.surface_colour(random, random.uniform(0.1, 0.7))


def _add_branches(scene: np.ndarray, random: Random) -> None:
    dark = random.uniform(0.02, 0.25)
    colour = (dark * random.uniform(0.8, 1.2), dark * random.uniform(0.9, 1.5), 0.8 * dark)
    for _ in range(int(random.integers(1, 5))):
        points = random.integers(-10, CANVAS + 10, (3, 2)).astype(np.int32)
        thickness = int(random.integers(1, 3))
        cv2.polylines(scene, [points], isClosed=False, color=colour, thickness=thickness)


def _add_sticker(scene: np.ndarray, random: Random) -> None:
    at = tuple(int(k) for k in random.integers(16, CANVAS - 16, 2))
    axes = tuple(int(k) for k in random.integers(2, 8, 2))
    colour = effects.surface_colour(random, random.uniform(0.1, 0.9)).tolist()
    cv2.ellipse(scene, at, axes, float(random.uniform(0, 180)), 0, 360, colour, -1)


def _lit(scene: np.ndarray, random: Random) -> np.ndarray:
    """Uneven light, the shadow of a wall or of leaves, a reflection."""
    shade = effects.light(random, CANVAS)
    kind = random.random()
    if kind < 0.12:
        shade = shade * (1 - random.uniform(0.2, 0.6) * effects.beyond_edge(random, CANVAS, -0.5))
    elif kind < 0.22:
        leaves = effects.clouds(random, CANVAS, int(random.integers(3, 8)))
        shade = shade * (1 - random.uniform(0.2, 0.6) * np.clip(2 * leaves + 0.5, 0, 1))
    scene = scene * shade.astype(np.float32)
    if random.random() < 0.08:
        x, y = effects.grid(CANVAS)
        across, down = random.uniform(-0.7, 0.7, 2)
        far = ((x - across) ** 2 + (y - down) ** 2) / random.uniform(0.02, 0.4)
        scene += (random.uniform(0.2, 0.8) * np.exp(-far))[..., None].astype(np.float32)
    return scene


# The camera


def _photographed(scene: np.ndarray, random: Random) -> np.ndarray:
    side = round(min(max(39 * math.exp(random.normal(0, 0.38)), 14), SIDE))
    scene = cv2.resize(scene, (side, side), interpolation=cv2.INTER_AREA)
    scene = cv2.transform(scene, _exposure(random))
    scene = effects.blur(scene, random.gamma(1.3, 0.36))
    if random.random() < 0.3:
        scene = effects.motion_blur(random, scene, 1 + 0.13 * side)
    if random.random() < 0.3:
        # cameras sharpen, which leaves halos
        scene += random.uniform(0.3, 1.5) * (scene - effects.blur(scene, 1.0))
    # photons come by chance: the deviation grows with the root of their number
    noise = random.gamma(1.3, 0.014) * math.sqrt(min(max(float(scene.mean()), 0.03), 1.0))
    scene = effects.sensor_noise(random, scene, noise)
    # rounds, and stops at 0 and at 255
    picture = cv2.convertScaleAbs(np.maximum(scene, 0), alpha=255)
    if random.random() < 0.2:
        picture = _mosaic(cv2.GaussianBlur(picture, (3, 3), 0.6))
    return _enlarged(picture, random)


def _enlarged(picture: np.ndarray, random: Random) -> np.ndarray:
    if len(picture) < SIDE:
        picture = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    if random.random() < 0.1:
        picture = effects.compress(picture, int(random.integers(30, 95)))
    return picture


def _exposure(random: Random) -> np.ndarray:
    """Matrix (3, 4): brightness from night to glare, colour cast, saturation, a veil of stray light."""
    brightness = math.exp(min(max(random.normal(-0.45, 0.75), -2.2), 0.65))
    saturation = random.uniform(0.5, 1.1)
    cast = np.exp(random.normal((0.06, 0.0, 0.03), (0.05, 0.02, 0.09)))
    veil = 0.04 * random.random()
    if random.random() < 0.1:
        veil = random.uniform(0.1, 0.4)
        brightness = min(brightness, 1.0) * (1 - veil)
    matrix = np.empty((3, 4), dtype=np.float32)
    mixed = saturation * _IDENTITY + (1 - saturation) * _GREY
    matrix[:, :3] = brightness * cast[:, None] * mixed
    matrix[:, 3] = veil * np.array([1.1, 0.92, 1.05])  # low sun in the lens looks purple
    return matrix


def _mosaic(picture: np.ndarray) -> np.ndarray:
    """Each pixel keeps one colour and gets the others from its neighbours, as in most cameras."""
    raw = picture[..., 1].copy()
    raw[0::2, 0::2] = picture[0::2, 0::2, 0]
    raw[1::2, 1::2] = picture[1::2, 1::2, 2]
    return cv2.cvtColor(raw, cv2.COLOR_BayerRGGB2RGB)
