"""``acclimate data show``: a sheet of pictures of any data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from acclimate.cli import console
from acclimate.cli.generator_options import chosen_options
from acclimate.cli.options import JsonOption
from acclimate.core.errors import ConfigurationError

if TYPE_CHECKING:
    from acclimate.data import Dataset
    from acclimate.data.domain import Domain

SHOW_EXAMPLE = "Example: acclimate data show syn-digits --count 200 --output digits.png"
_FOLDER_SIZE = 64
_PERSON = (96, 36)


def show(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A data set, a folder of pictures or a .npz file.")],
    split: Annotated[
        str | None,
        typer.Option(
            "--split", help="Of a registered data set.", show_default="train, or its first"
        ),
    ] = None,
    count: Annotated[int, typer.Option("--count", min=1, help="Pictures on the sheet.")] = 100,
    output: Annotated[Path, typer.Option("--output", help="The .png file to write.")] = Path(
        "sheet.png"
    ),
    seed: Annotated[int, typer.Option("--seed", min=0, help="Which pictures are taken.")] = 0,
    json: JsonOption = False,
) -> None:
    """Draw a sheet of pictures, a row for each class (the first 43).

    Of a generated set a few pictures are drawn, whether it was built or not.
    """
    from acclimate.core.files import replace_atomically
    from acclimate.data.sheet import MOST_CLASSES, Row, choose_items, draw_sheet

    if output.suffix.lower() != ".png":
        raise ConfigurationError(f"{output} is no name for a picture sheet; write {output}.png")
    domain = _open(name, split, count, seed, chosen_options(context))
    if not domain.is_image:
        raise ConfigurationError(f"{name} holds vectors, not pictures; there is nothing to show")
    console.warn_of_skipped(domain.skipped)
    import torch

    labels = None if domain.labels is None else domain.labels.numpy()
    classes = len(domain.class_names)
    chosen = choose_items(labels, classes, len(domain), count, seed)
    names = [""] if labels is None else list(domain.class_names[:MOST_CLASSES])
    rows = [
        Row(label, domain.store.gather(torch.from_numpy(items)).numpy())
        for label, items in zip(names, chosen, strict=True)
    ]
    with replace_atomically(output) as temporary:
        draw_sheet(rows).save(temporary, "png", optimize=True)
    shown = sum(len(row.pictures) for row in rows)
    result = {"name": domain.name, "output": str(output), "pictures": shown, "rows": len(rows)}
    if json:
        console.print_json(result)
        return
    beyond = f", the first {len(rows)} of {classes} classes" if classes > MOST_CLASSES else ""
    console.print_line(f"written: {output} ({shown} pictures of {domain.name}{beyond})")


def _open(name: str, split: str | None, count: int, seed: int, options: dict[str, str]) -> Domain:
    from acclimate.data import Dataset
    from acclimate.data.people import open_people
    from acclimate.data.sources import open_domain
    from acclimate.data.specs import item_folder, resolve

    found = resolve(name)
    if split is None:
        split = found.splits[0] if isinstance(found, Dataset) else "train"
    if isinstance(found, Dataset) and (found.generator is not None or options):
        return _drawn(found, split, count, seed, options)
    if options:
        raise ConfigurationError(f"--{next(iter(options))} is for generated data sets, not {name}")
    listed = isinstance(found, Dataset) and found.listing is not None
    size = _FOLDER_SIZE if listed or item_folder(name) is not None else None
    from acclimate.cli.downloads import download_progress

    with download_progress() as report:
        if isinstance(found, Dataset) and found.identities is not None:
            return open_people(name, size=_PERSON, split=split, progress=report)
        return open_domain(name, size=size, split=split, progress=report)


def _drawn(dataset: Dataset, split: str, count: int, seed: int, options: dict[str, str]) -> Domain:
    import torch

    from acclimate.data.domain import Domain, ResidentStore
    from acclimate.data.generation import draw

    # labels are random: enough for every row to be full
    enough = 2 * count + 5 * len(dataset.class_names)
    arrays = draw(dataset, split, enough, seed=seed, options=options)
    store = ResidentStore(torch.from_numpy(arrays.inputs))
    return Domain(
        name=dataset.name,
        store=store,
        labels=torch.from_numpy(arrays.labels),
        class_names=arrays.class_names or dataset.class_names,
        skipped=arrays.skipped,
    )
