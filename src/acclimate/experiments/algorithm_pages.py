"""What the selection benchmark found of each algorithm, in the algorithm's own page.

``python -m acclimate.experiments.algorithm_pages`` from the root of the repository writes it anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from acclimate.core.files import write_text_atomically
from acclimate.experiments.markdown import table_line
from acclimate.experiments.selection import SOURCE_ONLY

FOUND = Path("experiments/results/algorithms/selection.json")
PAGES = Path("docs/algorithms")
HEADING = "## Results\n"
BEGIN = "<!-- written by python -m acclimate.experiments.algorithm_pages; do not edit -->"
END = "<!-- as above: until here -->"


def block(said: Mapping[str, Any], name: str) -> str | None:
    """The table of ``name`` beside source-only, with its marks; ``None`` where it was not trained."""
    changes = {line["algorithm"]: line for line in said["changes"]}
    if name not in changes:
        return None
    cells = {(cell["algorithm"], cell["task"]): cell for cell in said["table"]}
    tasks = said["tasks"]
    change = changes[name]
    lines = [
        BEGIN,
        "",
        "Target accuracy in % (oracle) at the label-free choice, mean ± sd over "
        f"{len(said['seeds'])} seeds; the built-in tasks, 300 steps, light augmentation:",
        "`acclimate bench selection --algorithm all --recipe light`, "
        "[all algorithms](../../experiments/results/algorithms/selection.md).",
        "",
        table_line(["", *(task.replace("-to-", " → ") for task in tasks), "mean change", "worst"]),
        "|" + "---|" * (len(tasks) + 3),
        table_line([SOURCE_ONLY, *(_cell(cells[SOURCE_ONLY, task]) for task in tasks), "", ""]),
        table_line(
            [
                name,
                *(_cell(cells[name, task]) for task in tasks),
                f"{100 * change['mean']:+.1f}",
                f"{100 * change['worst']:+.1f}",
            ]
        ),
        "",
        END,
    ]
    return "\n".join(lines)


def _cell(cell: Mapping[str, Any]) -> str:
    spread = "" if cell["sd"] is None else f" ± {100 * cell['sd']:.1f}"
    return f"{100 * cell['oracle_target_accuracy']:.1f}{spread}"


def with_block(page: str, block: str) -> str:
    """``page`` with ``block`` as the first thing under *Results*, in place of an older one."""
    head, heading, rest = page.partition(HEADING)
    if BEGIN in rest:
        before, _, after = rest.partition(BEGIN)
        rest = before + after.partition(END)[2].lstrip("\n")
    return f"{head}{heading}\n{block}\n\n{rest.lstrip()}"


def main() -> None:
    said = json.loads(FOUND.read_text(encoding="utf-8"))
    for line in said["changes"]:
        page = PAGES / f"{line['algorithm']}.md"
        made = block(said, line["algorithm"])
        if made is not None and page.exists():
            write_text_atomically(page, with_block(page.read_text(encoding="utf-8"), made))


if __name__ == "__main__":
    main()
