"""Small folders in the layouts of the published sets of people; nobody is on the pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def write_people(root: Path, *names: str, width: int = 6, height: int = 16) -> Path:
    """Pictures of noise at the given paths below ``root``, each of another one."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        random = np.random.default_rng(list(name.encode()))
        pixels = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / name)
    return root


def write_viper(data: Path, people: int = 632) -> Path:
    """The official names: the number of the person, which skips some, and the angle."""
    root = data / "VIPeR"
    for number in range(people):
        write_people(root, f"cam_a/{3 * number:03}_45.bmp", f"cam_b/{3 * number:03}_90.bmp")
    return root


def write_prid(data: Path, first: int = 385, second: int = 749) -> Path:
    root = data / "prid_2011" / "single_shot"
    for camera, count in (("cam_a", first), ("cam_b", second)):
        write_people(root, *(f"{camera}/person_{k:04}.png" for k in range(1, count + 1)))
    return root


def write_cuhk01(data: Path, people: int = 971) -> Path:
    root = data / "CUHK01" / "campus"
    names = (f"{k:04}{n:03}.png" for k in range(1, people + 1) for n in range(1, 5))
    return write_people(root, *names, width=2, height=4)


def write_market(root: Path, people: int = 12) -> Path:
    """Half of the people for training; probes by camera 1, gallery by 2 and 3, junk, distractors."""
    half = people // 2
    train = [
        f"bounding_box_train/{k:04}_c{c}s1_{k:06}_00.jpg"
        for k in range(1, half + 1)
        for c in (1, 2, 6)
    ]
    tested = range(half + 1, people + 1)
    query = [f"query/{k:04}_c1s1_{k:06}_00.jpg" for k in tested]
    gallery = [f"bounding_box_test/{k:04}_c{c}s2_{k:06}_02.jpg" for k in tested for c in (2, 3)]
    others = ["-1_c1s1_000401_03.jpg", "-1_c2s1_000402_01.jpg", "0000_c3s1_000151_01.jpg"]
    return write_people(root, *train, *query, *gallery, *(f"bounding_box_test/{n}" for n in others))
