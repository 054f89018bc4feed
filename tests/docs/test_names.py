"""The docs name everything that a user can choose, and every option with its default."""

import json
from pathlib import Path

import pytest

import acclimate.cli.main
from acclimate.algorithms.base import algorithms
from acclimate.data.registry import datasets
from acclimate.models.network import networks
from acclimate.training.settings import make_settings
from acclimate.validators.base import validators

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "acclimate"


def text(*names):
    return "\n".join((ROOT / name).read_text(encoding="utf-8") for name in names)


def page_of(algorithm):
    """The page whose heading names ``algorithm``; two rows of one kind may share it."""
    pages = sorted((ROOT / "docs" / "algorithms").glob("*.md"))
    contents = [page.read_text(encoding="utf-8") for page in pages]
    heads = [content.splitlines()[0].removeprefix("# ").split(" and ") for content in contents]
    found = [content for head, content in zip(heads, contents, strict=True) if algorithm in head]
    assert len(found) == 1, f"{len(found)} pages in docs/algorithms are headed {algorithm}"
    return found[0]


@pytest.mark.parametrize("command", acclimate.cli.main.COMMANDS)
def test_command(command):
    assert f"`acclimate {command}`" in text("docs/architecture.md")
    assert f"`{command}`" in text("CHANGELOG.md")


@pytest.mark.parametrize("name", algorithms.names())
def test_algorithm_has_a_page_with_all_options(name):
    page = page_of(name)
    for heading in ("Usage", "Options", "Logged values", "Deviations", "Results"):
        assert f"\n## {heading}" in page, heading
    for option, field in algorithms.get(name).model_fields.items():
        assert f"\n| `{option}` | {json.dumps(field.default)} |" in page


def test_options_in_the_pages_exist():
    for name in algorithms.names():
        options = page_of(name).partition("\n## Options")[2].partition("\n## ")[0]
        rows = [line.split("`")[1] for line in options.splitlines() if line.startswith("| `")]
        assert set(rows) == set(algorithms.get(name).model_fields)


@pytest.mark.parametrize("name", networks.names())
def test_network(name):
    (row,) = [r for r in text("docs/architecture.md").splitlines() if r.startswith(f"| `{name}`")]
    for option in networks.get(name).model_fields:
        assert f"`{option}`" in row


@pytest.mark.parametrize("name", datasets.names())
def test_data_set(name):
    dataset = datasets.get(name)
    (row,) = [
        r
        for r in text("docs/datasets.md").splitlines()
        if r.startswith(f"| `{name}` |") and r.count("|") == 6
    ]
    assert dataset.shape_text in row


def test_options_of_generated_data_sets():
    for name, dataset in datasets.items():
        for option in dataset.generator.options if dataset.generator else ():
            assert f"`--{option.name.replace('_', '-')}`" in text("docs/datasets.md"), name


@pytest.mark.parametrize("name", validators.names())
def test_validator(name):
    assert f"\n| `{name}` |" in text("docs/validators.md")


@pytest.mark.parametrize(("column", "protocol"), [(2, "default"), (3, "paper")])
def test_protocol_table(column, protocol):
    lines = text("docs/protocol.md").splitlines()
    cells = [[cell.strip() for cell in line.split("|")] for line in lines if line.startswith("| ")]
    table = {row[1]: row[column] for row in cells if len(row) == 5}
    settings = make_settings(protocol, source="a", target="b")
    assert f"`{settings.algorithm}`" == table["algorithm"]
    assert f"`{settings.preprocessing}`" in table["preprocessing"]
    assert f"`{settings.augmentation}`" in table["augmentation"]
    assert settings.optimiser in table["optimiser"].lower()
    assert f" {settings.learning_rate}," in table["optimiser"]
    assert f"{settings.batch_size} + {settings.batch_size}" == table["batch"]
    assert (str(settings.averaging) if settings.averaging else "none") == table["weight average"]
    length = (
        f"{settings.epochs:g} epochs" if settings.epochs else f"{settings.step_count(1):,} steps"
    )
    assert table["length"].startswith(length)


def test_every_source_folder_is_in_both_trees():
    folders = {path.parent.name for path in PACKAGE.glob("*/*.py")}
    for page in ("README.md", "docs/architecture.md"):
        tree = next(block for block in text(page).split("```") if "src/acclimate/\n" in block)
        assert {folder for folder in folders if f"\n  {folder}/ " not in tree} == set(), page


def test_every_folder_in_the_trees_exists():
    for page in ("README.md", "docs/architecture.md"):
        tree = next(block for block in text(page).split("```") if "src/acclimate/\n" in block)
        parent = ""
        for line in filter(None, tree.splitlines()):
            name = line.split()[0]
            parent = parent if line.startswith("  ") else name
            path = ROOT / (parent + name if line.startswith("  ") else name)
            assert name.endswith("/"), line
            assert path.is_dir(), line


def test_the_readme_names_what_a_run_leaves_behind():
    section = text("README.md").partition("## A run's folder")[2].partition("\n## ")[0]
    source = "".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    for line in section.split("```")[1].splitlines()[2:]:
        for name in line.split("  ")[1].split(", "):
            assert f'"{name.rstrip("/")}"' in source, f"nothing writes {name}"
