"""The command ``acclimate``: puts the commands together and turns every error into one line.

Adding a command: write ``cli/NAME.py`` with ``register(app: typer.Typer) -> None``, add the file's
name to ``COMMANDS`` below. A command file imports nothing heavier than typer, ``cli.console`` and
``core.errors`` at the top; everything else is imported inside the command::

    EXAMPLE = "Example: acclimate evaluate acclimate-runs/dann --data photos/phone --json"

    def register(app: typer.Typer) -> None:
        app.command("evaluate", epilog=EXAMPLE)(evaluate)

    def evaluate(run: Annotated[Path, typer.Argument(help="…")], json: JsonOption = False) -> None:
        \"\"\"First line: what it does, as ``--help`` and the list of commands show it.\"\"\"
        from acclimate.models.files import load_model   # heavy: only here
        ...

A command raises ``AcclimateError`` for what a user can mend, prints its result (tables with
``console.print_table``, one JSON object with ``console.print_json``) only when it is complete, and
shows progress on standard error with ``console.progress()``. Long commands call
``console.set_way_on("acclimate fit … --resume")``, the advice given when they are interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from acclimate import __version__
from acclimate.cli import console
from acclimate.cli.environment import prepare_environment
from acclimate.cli.failures import CARRIED, CarriedError, explained

# in the order in which --help lists them
COMMANDS = (
    "demo",
    "fit",
    "evaluate",
    "predict",
    "match",
    "report",
    "select",
    "list",
    "data",
    "reproduce",
    "bench",
    "doctor",
)


def main() -> None:
    """Entry point of the console script; exits with the command's code."""
    prepare_environment()
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code, see ``cli.failures``.

    ``--debug`` may stand anywhere before a ``--``, because it is usually added to the end of the
    line that has just failed.
    """
    console.set_way_on(None)
    kept, debug = _without_debug(list(arguments))
    return explained(lambda: _invoke(kept), debug=debug)


def build_app() -> typer.Typer:
    """The typer application with every command of ``COMMANDS`` registered."""
    app = typer.Typer(
        cls=_Commands,
        help="Train on the data you have labels for; run on the data you don't.",
        epilog="Start with: acclimate demo",
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(_root)
    for name in COMMANDS:
        import_module(f"acclimate.cli.{name}").register(app)
    return app


class _Commands(TyperGroup):
    """The group of all commands; leaves every error to ``cli.failures``."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except CARRIED as error:
            raise CarriedError(error) from error


def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error (any command).")
    ] = False,
) -> None:
    if version:
        console.print_line(f"acclimate {__version__}")
    elif context.invoked_subcommand is None:
        console.print_line(context.get_help())


def _invoke(arguments: list[str]) -> int:
    command: Any = typer.main.get_command(build_app())
    code = command.main(args=arguments, prog_name="acclimate", standalone_mode=False)
    return code if isinstance(code, int) else 0


def _without_debug(arguments: list[str]) -> tuple[list[str], bool]:
    end = arguments.index("--") if "--" in arguments else len(arguments)
    kept = [text for text in arguments[:end] if text != "--debug"]
    return kept + arguments[end:], len(kept) < end


if __name__ == "__main__":
    main()
