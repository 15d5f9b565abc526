"""The shape of the house: who may import whom, what loads when, and that what is named exists."""

import ast
import importlib
import os
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import landscape
from landscape.__main__ import COMMANDS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "landscape"

# A module imports only from those before it, or from its own part of the package.
FLOORS = (
    ("errors", "seeding", "storage", "imported", "fields", "catalogue", "config", "command", "overrides"),
    ("compute", "analysis"),
    ("log", "intervals", "weights", "hardware", "checkpoint", "result_file"),
    ("data", "models", "evaluation"),
    ("fgmix", "algorithms", "training", "train", "mixture", "files", "opened", "stored"),
    ("flatness", "surface", "embedding", "correlation", "reference", "toy"),
    ("plots",),
    ("figures",),
    ("explore", "demo"),
)
# The rows of the algorithms say what a configuration may hold: they lie below it, what they name far above.
CATALOGUE = {f"landscape.algorithms.{name}" for name in ("catalogue", "method", "fgmix_options", "rows")}
CATALOGUE |= {f"landscape.algorithms.rows.{path.stem}" for path in (PACKAGE / "algorithms" / "rows").glob("[a-z]*.py")}
# One analysis each: what two of them need lies below; of another one they take results by name, and nothing else.
ANALYSES = ("flatness", "surface", "embedding", "correlation")
RESULTS = {"landscape.flatness.eigenvectors.Eigenvectors", "landscape.flatness.setting.stratified"}
ORDER = [part for floor in FLOORS for part in floor]
EXAMPLES = {"train": 4, "algorithms": 2, "surface": 5, "flatness": 3, "embedding": 3, "correlation": 3}
# The first floors answer --help, so they load no torch.
LIGHT = [part for floor in FLOORS[:2] for part in floor]
HEAVY = {"torch", "torchvision", "timm", "matplotlib", "seaborn", "plotly", "pandas", "xarray", "scipy", "sklearn"}

# The embedded data brings the script that built it; nothing imports that.
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "embedded" not in path.parts)
NAMES = [command.name for command in COMMANDS]


def module_name(path: Path) -> str:
    """``landscape/data/splits.py`` -> ``landscape.data.splits``."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def part_of(module: str) -> str:
    """``landscape.data.splits`` -> ``data``; nothing for the package itself."""
    if module in CATALOGUE:
        return "catalogue"
    return module.split(".")[1] if "." in module else ""


def late_homes() -> dict[str, str]:
    """``Surface`` -> ``landscape.surface``: where the package's own names come from, by its stub."""
    stub = ast.parse((PACKAGE / "__init__.pyi").read_text(encoding="utf-8"))
    imports = [statement for statement in stub.body if isinstance(statement, ast.ImportFrom)]
    return {alias.name: f"landscape.{each.module}" for each in imports for alias in each.names}


PARTS = {part_of(module_name(path)) for path in MODULES} - {"", "__main__"}
MODULE_NAMES = {module_name(path) for path in MODULES}
LATE = late_homes()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def run_at_import(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that importing the module executes: not those in functions, nor those for a type checker."""
    for statement in body:
        yield statement
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test):
            yield from run_at_import(statement.orelse)
            continue
        for inner in ("body", "orelse", "finalbody"):
            yield from run_at_import(getattr(statement, inner, []))
        for handler in getattr(statement, "handlers", []):
            yield from run_at_import(handler.body)


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    """(line, module) of every import that importing the module executes."""
    package = module_name(path) if path.name == "__init__.py" else module_name(path).rpartition(".")[0]
    for statement in run_at_import(tree(path).body):
        if isinstance(statement, ast.Import):
            yield from ((statement.lineno, alias.name) for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            base = statement.module or ""
            if statement.level:
                above = package.split(".")[: len(package.split(".")) - statement.level + 1]
                base = ".".join([*above, base]).rstrip(".")
            for alias in statement.names:
                full = f"{base}.{alias.name}"
                if full not in MODULE_NAMES and base == "landscape":
                    full = LATE.get(alias.name, base)
                yield statement.lineno, full if full in MODULE_NAMES else base


def test_every_part_has_a_place_in_the_order() -> None:
    assert PARTS - set(ORDER) == set()


@pytest.mark.parametrize("path", [p for p in MODULES if p.name != "__main__.py"], ids=module_name)
def test_imports_point_backwards(path: Path) -> None:
    own = part_of(module_name(path))
    allowed = {"", own, *(ORDER[: ORDER.index(own)] if own else ())}
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for line, module in imports_of(path)
        if module.split(".")[0] == "landscape" and part_of(module) not in allowed
    ]
    assert not wrong


def names_imported(path: Path) -> Iterator[tuple[int, str]]:
    """(line, module.name) of every import, also of those in functions and for a type checker."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)


@pytest.mark.parametrize("name", ANALYSES)
def test_no_analysis_takes_another_ones_plumbing(name: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {imported}"
        for path in MODULES
        if part_of(module_name(path)) == name
        for line, imported in names_imported(path)
        if part_of(imported) in set(ANALYSES) - {name} and imported not in RESULTS
    ]
    assert not wrong


def test_what_lies_below_the_analyses_imports_none_of_them() -> None:
    below = [part for floor in FLOORS[:5] for part in floor]
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {imported}"
        for path in MODULES
        if part_of(module_name(path)) in below
        for line, imported in names_imported(path)
        if part_of(imported) in ANALYSES
    ]
    assert not wrong


def test_the_direction_check_sees_what_it_should(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = """
from typing import TYPE_CHECKING
import landscape.surface
from landscape import toy, Task
from . import plots
from .data.task import open_task
if TYPE_CHECKING:
    from landscape.training import Run
try:
    import landscape.demo
finally:
    pass
class Result:
    from landscape.models import build_network
    def plot(self):
        from landscape.evaluation import Evaluator
"""
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    monkeypatch.setitem(globals(), "MODULE_NAMES", MODULE_NAMES | {"landscape.toy", "landscape.plots"})
    (tmp_path / "landscape").mkdir()
    path = tmp_path / "landscape" / "probe.py"
    path.write_text(source)
    found = [module for _, module in imports_of(path) if module.startswith("landscape")]
    assert [part_of(module) for module in found] == ["surface", "toy", "data", "plots", "data", "demo", "models"]


def loaded_by(*how: str) -> tuple[set[str], str, float]:
    """Top-level packages that a fresh interpreter imports, what it prints, and its seconds of processor time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-X", "importtime", *how],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"COLUMNS": "200"},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr[-2000:]
    modules = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {module.split(".")[0] for module in modules}, done.stdout, seconds


def test_importing_the_package_loads_nothing_heavy() -> None:
    loaded, _, _ = loaded_by("-c", "import landscape")
    assert "landscape" in loaded
    assert not loaded & {*HEAVY, "numpy"}


def test_modules_before_weights_load_nothing_heavy() -> None:
    names = [*CATALOGUE, *(f"landscape.{name}" for name in LIGHT if name != "catalogue")]
    loaded, _, _ = loaded_by("-c", f"import {', '.join(names)}")
    assert not loaded & HEAVY


def test_the_check_for_heavy_imports_sees_them() -> None:
    loaded, _, _ = loaded_by("-c", "import landscape.weights")
    assert "torch" in loaded


def test_the_overview_lists_every_command_with_its_example() -> None:
    loaded, text, _ = loaded_by("-m", "landscape")
    assert not loaded & HEAVY
    for command in COMMANDS:
        assert command.purpose in text
        assert command.example in text
        assert re.match(rf"python -m landscape\.{command.name}( |$)", command.example)


def test_the_overview_points_out_the_dot_and_the_nearest_name() -> None:
    def said(*words: str) -> tuple[int, str]:
        done = subprocess.run([sys.executable, "-m", "landscape", *words], capture_output=True, text=True, check=False)
        return done.returncode, done.stderr

    assert said("train", "--help") == (2, "error: a command is a module of its own: python -m landscape.train --help\n")
    code, text = said("surfaces")
    assert code == 2
    assert "Did you mean 'surface'?" in text


def test_the_table_of_commands_is_complete() -> None:
    def is_command(path: Path) -> bool:
        if path.parent == PACKAGE:
            return path.name != "__main__.py" and "__name__ == '__main__'" in ast.unparse(tree(path))
        return path.name == "__main__.py"

    runnable = {part_of(module_name(path)) for path in MODULES if is_command(path)}
    assert runnable == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_help_answers_at_once(name: str) -> None:
    loaded, text, seconds = loaded_by("-m", f"landscape.{name}", "--help")
    assert f"python -m landscape.{name}" in text
    if name in EXAMPLES:
        assert text.count(f"  python -m landscape.{name}") == EXAMPLES[name]
    assert not loaded & {*HEAVY, *(("numpy", "curvlinops") if name == "flatness" else ())}
    assert seconds < 1.0


def test_public_names_resolve() -> None:
    for name in landscape.__all__:
        assert getattr(landscape, name) is not None
    assert set(dir(landscape)) == set(landscape.__all__)
    with pytest.raises(AttributeError, match="No landscape attribute nothing"):
        landscape.nothing  # noqa: B018


@pytest.mark.parametrize("path", [p for p in MODULES if p.name == "__init__.py"], ids=module_name)
def test_names_that_load_late_are_no_modules(path: Path) -> None:
    # Python gives a module's name to the module once that is imported: a function of the same name is gone then.
    package = module_name(path)
    exported = importlib.import_module(package)
    for name in getattr(exported, "__all__", ()):
        assert hasattr(exported, name), f"{package}.{name}"
        if hasattr(exported, "__getattr__"):
            assert f"{package}.{name}" not in MODULE_NAMES, f"{package}.{name} is a module already"


def test_no_function_bears_the_name_of_a_part() -> None:
    assert not PARTS & set(landscape.__all__)


def test_no_file_is_too_long_or_called_utils() -> None:
    files = [*MODULES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert {path: length for path, length in lengths.items() if length > 400} == {}
    assert not [path for path in lengths if re.search(r"\b(utils?|helpers?|misc|common)\.py$", path)]


TEXTS = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "checkpoints/README.md", "figures/README.md"]


@pytest.mark.parametrize("name", TEXTS)
def test_what_the_texts_name_exists(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    commands = {found.rstrip(".") for found in re.findall(r"python -m landscape\.([\w.]+)", text)}
    assert commands - set(NAMES) == set()
    targets = re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(re.findall(r"(?m)(?:^|`)make ([a-z]+)", text)) - set(targets) == set()
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    assert [link for link in links if not ((ROOT / name).parent / link).exists()] == []
