"""Options of ``acclimate fit``: pictures."""

from __future__ import annotations

from typing import Annotated

import typer

PICTURES = "Pictures"

SizeOption = Annotated[
    int | None,
    typer.Option(
        help="Side in pixels, of both domains.",
        show_default="the source's, 32 for a folder",
        rich_help_panel=PICTURES,
    ),
]

WidthOption = Annotated[
    int | None,
    typer.Option(
        help="With --objective retrieval: width in pixels; --size is the height.",
        show_default="48, or 3/8 of --size",
        rich_help_panel=PICTURES,
    ),
]

ChannelsOption = Annotated[
    int | None,
    typer.Option(
        help="1 (grey) or 3 (colour).",
        show_default="the larger of the two domains'",
        rich_help_panel=PICTURES,
    ),
]

AugmentationOption = Annotated[
    str | None,
    typer.Option(
        help="none, light, strong, digits, photos, crop-flip, rand-augment or people.",
        show_default="digits",
        rich_help_panel=PICTURES,
    ),
]

PreprocessingOption = Annotated[
    str | None,
    typer.Option(
        help="mean, standard, per-image, network (as a backbone expects) or none.",
        show_default="per-image",
        rich_help_panel=PICTURES,
    ),
]

MemoryLimitOption = Annotated[
    int | None,
    typer.Option(
        help="MiB of decoded pictures to keep; a larger domain is streamed.",
        show_default="2048",
        rich_help_panel=PICTURES,
    ),
]

WorkersOption = Annotated[
    int | None,
    typer.Option(
        help="Processes that decode a streamed domain.",
        show_default="2",
        rich_help_panel=PICTURES,
    ),
]

ResizeOption = Annotated[
    int | None,
    typer.Option(
        help="Side that pictures are kept at; each look cuts a square of --size out of it.",
        show_default="--size, with a backbone 8/7 of it",
        rich_help_panel=PICTURES,
    ),
]

FitOption = Annotated[
    str | None,
    typer.Option(
        help="squash, or crop: keep the ratio of the sides and cut the middle out.",
        show_default="squash, with a backbone crop",
        rich_help_panel=PICTURES,
    ),
]

ClassesOption = Annotated[
    str | None,
    typer.Option(
        help="all, or shared: leave out classes that only one of the domains has.",
        show_default="all",
    ),
]
