"""The house has one direction of imports and a light front door."""

import ast
import os
import resource
import subprocess
import sys
from pathlib import Path

import acclimate

PACKAGE = Path(acclimate.__file__).parent

# Each folder imports from lines above its own, never from a neighbour on the same line.
LAYERS = (
    ("core",),
    ("layers",),
    ("losses",),
    ("models", "objectives", "data"),
    ("algorithms", "validators"),
    ("training",),
    ("estimators",),
    ("experiments", "serve"),
    ("cli",),
)
LEVEL = {folder: level for level, folders in enumerate(LAYERS) for folder in folders}

# Readers of finished runs and plain linear algebra stay apart from the engine.
ONLY = {
    "report": ("core.records", "core.errors", "core.files"),
    "shallow": ("core", "losses"),
    "retrieval": ("core", "layers", "losses"),
}
# who may read them: those from this line of LAYERS on
READ_FROM = {"report": "estimators", "shallow": "algorithms", "retrieval": "algorithms"}
SECONDS = 0.5


def modules():
    """Every module of the package: dotted name without the package's, and path."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        yield ".".join(part for part in parts if part != "__init__"), path


def imported(tree, module, is_package):
    """Dotted names inside acclimate that a module imports anywhere, function bodies included."""
    package = module.split(".") if is_package else module.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            start = ["acclimate", *above] if node.level else []
            base = ".".join([*start, *([node.module] if node.module else [])])
            names = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name == "acclimate" or name.startswith("acclimate."):
                yield name.removeprefix("acclimate").removeprefix("."), node.lineno


def complaint(module, target):
    """Why ``module`` may not import ``target``, or ``None``."""
    home, other = module.split(".")[0], target.split(".")[0]
    if home == other or home == "cli":
        return None
    if other not in LEVEL and other not in ONLY:  # the front door itself, for its version
        return None if other in ("", "__version__") else "goes through the front door"
    if home in ONLY:
        allowed = any(target == name or target.startswith(f"{name}.") for name in ONLY[home])
        return None if allowed else f"{home} may import only {', '.join(ONLY[home])}"
    if home not in LEVEL:
        return f"{home} has no place in LAYERS"
    if other in ONLY:
        # readers come after everything that they do not know
        return None if LEVEL[home] >= LEVEL[READ_FROM[other]] else f"{home} lies below {other}"
    return None if LEVEL[other] < LEVEL[home] else f"{home} does not lie above {other}"


def test_imports_point_one_way():
    wrong = [
        f"{path.relative_to(PACKAGE)}:{line} imports {target}: {reason}"
        for module, path in modules()
        if module and "." in module
        for target, line in imported(
            ast.parse(path.read_text(encoding="utf-8")), module, path.name == "__init__.py"
        )
        if (reason := complaint(module, target))
    ]
    assert not wrong, "\n".join(wrong)


def test_the_rule_notices_violations():
    assert complaint("losses.mmd", "models.network")
    assert complaint("algorithms.dann", "validators.entropy")
    assert complaint("report.html", "core.seeding")
    assert complaint("losses.mmd", "shallow.coral")
    assert complaint("algorithms.shallow", "shallow.coral") is None
    assert complaint("algorithms.dann", "report.html")
    assert complaint("models.mlp", "fit") == "goes through the front door"
    assert complaint("training.fit", "algorithms.dann") is None
    assert complaint("cli.fit", "report") is None
    source = "def f():\n    from ..models import network\n    from acclimate import data\n"
    found = {name for name, _ in imported(ast.parse(source), "losses.mmd", is_package=False)}
    assert found == {"models.network", "data"}


def test_front_door_imports_no_submodule():
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    assert not list(imported(tree, "", is_package=True))


def test_front_door_names_exist():
    assert sorted(acclimate.__all__) == dir(acclimate)


def best_seconds(*arguments):
    """Seconds of a processor, the best of five: what is needed, however busy the machine is."""
    seconds = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(seconds)


def test_import_is_light():
    assert best_seconds("-c", "import acclimate") < SECONDS


def test_help_is_light():
    assert best_seconds("-m", "acclimate.cli.main", "--help") < SECONDS


def test_help_imports_no_heavy_library():
    code = (
        "import sys; from acclimate.cli.main import run; assert run(['--help']) == 0;"
        "heavy = {'torch', 'numpy', 'scipy', 'sklearn', 'pandas', 'PIL', 'matplotlib'};"
        "sys.exit(' '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=False
    )
    assert done.returncode == 0, done.stderr
