"""``acclimate data``: the registered data sets and their files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from acclimate.cli import console
from acclimate.cli.data_cache import CACHE_EXAMPLE, cache
from acclimate.cli.data_show import SHOW_EXAMPLE, show
from acclimate.cli.generator_options import GeneratorCommand, chosen_options
from acclimate.cli.options import JsonOption
from acclimate.core.errors import ConfigurationError

if TYPE_CHECKING:
    from acclimate.data.download import Progress
    from acclimate.data.registry import Dataset

LIST_EXAMPLE = "Example: acclimate data list"
CHECK_EXAMPLE = "Example: acclimate data check mnist svhn"
BUILD_EXAMPLE = "Example: acclimate data build syn-digits --count 5000 --output digits.npz"


def register(app: typer.Typer) -> None:
    group = typer.Typer(
        help="List, check, build and show data sets; see what is kept of pictures.",
        epilog=LIST_EXAMPLE,
        no_args_is_help=False,
    )
    group.callback(invoke_without_command=True)(_root)
    group.command("list", epilog=LIST_EXAMPLE)(list_sets)
    group.command("check", epilog=CHECK_EXAMPLE)(check)
    group.command("build", epilog=BUILD_EXAMPLE, cls=GeneratorCommand)(build)
    group.command("show", epilog=SHOW_EXAMPLE, cls=GeneratorCommand)(show)
    group.command("cache", epilog=CACHE_EXAMPLE)(cache)
    app.add_typer(group, name="data")


def _root(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        console.print_line(context.get_help())


def list_sets(json: JsonOption = False) -> None:
    """List the data sets: shape, classes, splits, licence, and whether they are at hand."""
    from acclimate.data import datasets

    rows = [_facts(dataset) for _, dataset in datasets.items()]
    if json:
        console.print_json({"datasets": rows})
        return
    columns = ("name", "shape", "classes", "splits", "at hand", "licence", "description")
    cells = [
        (
            row["name"],
            row["shape"],
            len(row["class_names"]),
            ", ".join(row["splits"]),
            ", ".join(row["available"]) or "no",
            row["licence"],
            row["description"],
        )
        for row in rows
    ]
    console.print_table(columns, cells)


def check(
    names: Annotated[
        list[str] | None, typer.Argument(help="Data sets; without a name all are checked.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Find the files of data sets, compare checksums with the published ones, read each split.

    Exits with 1 when a set that was named lacks a file or cannot be read.
    """
    from acclimate.data import datasets
    from acclimate.data.check import check_dataset

    chosen = [datasets.get(name).name for name in names or datasets.names()]
    found = []
    with console.progress() as bar:
        for name in bar.track(chosen, description="checking"):
            found += [(name, finding) for finding in check_dataset(name)]
    rows = [
        {
            "dataset": name,
            "split": finding.split,
            "file": finding.what,
            "status": finding.status,
            "where": finding.where,
            "bytes": finding.size,
            "detail": finding.detail,
        }
        for name, finding in found
    ]
    complete = all(row["status"] not in ("missing", "damaged") for row in rows)
    if json:
        console.print_json({"complete": complete, "files": rows})
    else:
        columns = ("dataset", "split", "file", "status", "where", "bytes", "detail")
        console.print_table(columns, [tuple(row[column] for column in columns) for row in rows])
    if names and not complete:
        raise typer.Exit(1)


def build(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A data set, for example mnist-m or syn-digits.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", help="Draw a generated set into this .npz file, for --source."),
    ] = None,
    count: Annotated[
        int | None, typer.Option("--count", min=1, help="With --output: how many items.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="With --output: which items. Default 0.")
    ] = None,
    split: Annotated[
        str | None, typer.Option("--split", help="With --output: default train.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Fetch and build every split of a data set, so that later runs start at once and offline.

    With --output, a generated set is drawn into a file: any number, with options of its own.
    """
    from acclimate.data import datasets
    from acclimate.data.generation import option_text

    dataset = datasets.get(name)
    options = chosen_options(context)
    own = {"count": count, "seed": seed, "split": split, **options}
    given = [option_text(option) for option, value in own.items() if value is not None]
    if output is not None:
        result = _draw_into(output, dataset, split or "train", count, seed or 0, options)
    elif given:
        raise ConfigurationError(
            f"{', '.join(given)}: the registered {name} is the same for everyone; to draw one of "
            "your own add --output FILE.npz"
        )
    else:
        result = _build_splits(dataset)
    if json:
        console.print_json({"dataset": name, **result})
        return
    splits = result["splits"]
    console.print_table(
        ["split", "items"], [(split, facts["items"]) for split, facts in splits.items()]
    )
    if output is not None:
        console.print_line(f"written: {output}")


def _build_splits(dataset: Dataset) -> dict[str, Any]:
    from acclimate.cli.downloads import download_progress

    console.set_way_on(f"acclimate data build {dataset.name}")
    splits = {}
    with download_progress() as report:
        for split in dataset.splits:
            console.note(f"{dataset.name}: {split}")
            splits[split] = {"items": _fetched(dataset, split, report)}
    return {"splits": splits}


def _fetched(dataset: Dataset, split: str, progress: Progress | None) -> int:
    """The number of items."""
    if dataset.listing is None:
        return len(dataset.load(split=split, progress=progress))
    # pictures of any size are decoded when a run says how large
    return len(dataset.list(split=split, progress=progress).files)


def _draw_into(
    output: Path,
    dataset: Dataset,
    split: str,
    count: int | None,
    seed: int,
    options: dict[str, str],
) -> dict[str, Any]:
    from acclimate.cli.downloads import download_progress
    from acclimate.data.files import FileFinder
    from acclimate.data.generation import draw
    from acclimate.data.tables import check_npz_name, write_npz

    check_npz_name(output)
    with download_progress() as report:
        finder = FileFinder(progress=report)
        arrays = draw(dataset, split, count, seed=seed, options=options, finder=finder)
    console.warn_of_skipped(arrays.skipped)
    write_npz(output, arrays.inputs, arrays.labels, arrays.class_names or dataset.class_names)
    return {"output": str(output), "splits": {split: {"items": len(arrays.labels)}}}


def _facts(dataset: Dataset) -> dict[str, Any]:
    return {
        "name": dataset.name,
        "description": dataset.description.strip().splitlines()[0],
        "input_shape": dataset.input_shape,
        "shape": dataset.shape_text,
        "class_names": dataset.class_names,
        "splits": dataset.splits,
        "available": [split for split in dataset.splits if dataset.is_available(split)],
        "licence": dataset.licence,
    }
