"""Options that generated data sets declare, as options of the commands that draw them."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

_META = "acclimate.generator_options"


class GeneratorCommand(TyperCommand):
    """A command with one more option for each that a registered generator declares.

    They are looked up when the command is called or explained, not when the command line is put
    together, which stays light. ``chosen_options`` has what was given.
    """

    def get_params(self, ctx: Any) -> list[Any]:
        return [*super().get_params(ctx), *_declared()]

    def invoke(self, ctx: Any) -> Any:
        given = {option.name: ctx.params.pop(option.name) for option in _declared()}
        ctx.meta[_META] = {name: value for name, value in given.items() if value is not None}
        return super().invoke(ctx)


def chosen_options(context: typer.Context) -> dict[str, str]:
    """The generator options that were given to the running ``GeneratorCommand``."""
    chosen: dict[str, str] = context.meta[_META]
    return chosen


@cache
def _declared() -> tuple[Any, ...]:
    from acclimate.data import datasets
    from acclimate.data.generation import option_text

    texts: dict[str, list[str]] = {}
    for name, dataset in datasets.items():
        for option in dataset.generator.options if dataset.generator else ():
            texts.setdefault(option.name, []).append(
                f"{name}: {option.help} (default {option.default})."
            )
    # typer's own option classes change between versions; what it makes of a signature does not
    parameters = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[
                str | None, typer.Option(option_text(name), help=" ".join(help_texts))
            ],
        )
        for name, help_texts in texts.items()
    ]

    def carrier(**_options: str) -> None: ...

    carrier.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    carrier.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    app = typer.Typer(add_completion=False)
    app.command()(carrier)
    return tuple(typer.main.get_command(app).params)
