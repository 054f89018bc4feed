"""syn-digits: an open re-creation of the "Syn Numbers" of Ganin et al. (JMLR 2016), for SVHN.

Theirs are about 500,000 pictures: one-, two- and three-digit numbers in Windows fonts, with varying
position, orientation, colours of background and stroke, and blur, in ranges chosen by hand to
imitate SVHN. These follow that description with fonts that everyone has; the recipe is in
``acclimate.data.drawn_numbers``.
"""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path

import numpy as np

from acclimate.data.files import FileFinder
from acclimate.data.fonts import digit_fields, find_fonts
from acclimate.data.generation import generate_in_parallel, kept_inspector, kept_reader
from acclimate.data.registry import (
    DIGIT_NAMES,
    Arrays,
    Dataset,
    Generator,
    GeneratorOption,
    register,
)

NAME = "syn-digits"
RECIPE = "syn-digits/2"
"""Raised when the recipe changes, so that nobody reads an older build."""


def generate_digits(
    count: int,
    *,
    seed: int = 0,
    split: str = "train",
    fonts: str = "bundled",
    processes: int | None = None,
    finder: FileFinder | None = None,
) -> Arrays:
    """``count`` house-number digits: uint8 (count, 32, 32, 3), int64 labels; fonts left out.

    ``fonts``: ``bundled`` (matplotlib's, the same everywhere), ``system`` or a folder of .ttf and
    .otf files. Item ``i`` depends on ``seed``, ``split``, ``i`` and the fonts alone. Raises
    ``DataError`` where no font has digits, ``ConfigurationError`` for a count below 1.
    """
    found = find_fonts(fonts)
    progress = finder.progress if finder else None
    drawn = generate_in_parallel(
        partial(_draw, found.paths),
        count,
        seed=seed,
        stream=f"{NAME}/{split}",
        processes=processes,
        progress=progress,
    )
    return drawn._replace(skipped=found.skipped)


def _draw(
    fonts: tuple[Path, ...], _index: int, random: np.random.Generator
) -> tuple[np.ndarray, int]:
    from acclimate.data.drawn_numbers import draw_number

    return draw_number(digit_fields(fonts[random.integers(len(fonts))]), random)


def _generate(finder: FileFinder, split: str, count: int, **options: str | int | None) -> Arrays:
    return generate_digits(count, split=split, finder=finder, **options)  # type: ignore[arg-type]


def _fingerprint(_finder: FileFinder, _split: str) -> str:
    fonts = find_fonts("bundled").paths
    listing = "".join(f"{path.name}:{path.stat().st_size};" for path in fonts)
    return f"{RECIPE}:seed 0:{hashlib.sha256(listing.encode()).hexdigest()[:16]}"


GENERATOR = Generator(
    generate=_generate,
    counts={"train": 100_000, "test": 10_000},
    fingerprint=_fingerprint,
    options=(
        GeneratorOption(
            name="fonts",
            help="'bundled' (matplotlib's), 'system' or a folder of .ttf and .otf files",
            default="bundled",
        ),
    ),
)
SYN_DIGITS = register(
    Dataset(
        name=NAME,
        description="house-number digits drawn from fonts, colour, 32×32: a source for 'svhn'",
        licence="generated (DejaVu, STIX and Computer Modern fonts)",
        class_names=DIGIT_NAMES,
        input_shape=(3, 32, 32),
        splits=tuple(GENERATOR.counts),
        read=kept_reader(NAME, GENERATOR),
        inspector=kept_inspector(NAME, GENERATOR),
        generator=GENERATOR,
    )
)
