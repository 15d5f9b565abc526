"""The notebooks run top to bottom on a small fixture, and what is stored of them is in order."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import jupytext
import nbformat
import pytest

FOLDER = Path(__file__).parents[2] / "analysis_notebooks"
SOURCES = sorted(FOLDER.glob("[0-9]*.py"))
NAMES = [source.stem for source in SOURCES]
# One seed decides nothing about a method; what is exact is decided.
ENDING = re.compile(
    r"^verdict: (supported|not supported|undecided)\b"
    r"|^on this run: .*\n(.*\n)*one seed: undecided for the method\b"
    r"|: supported exactly; .*\n[\d.]+% of random examples; ",
    re.MULTILINE,
)
# What a stored output must not show: a folder of the machine that it was made on.
PATHS = re.compile(r"(/home/|/root/|/Users/|/tmp/|/work/|[A-Z]:\\\\)")

# Replaces the notebooks' parameters: a network of 61,000 weights, 28 px, a few steps, and small samples.
SMALL = """
import warnings

from landscape.config import PRESETS, MixupConfig

warnings.simplefilter("error")
warnings.simplefilter("ignore", PendingDeprecationWarning)  # ipykernel's own
config = PRESETS["quick"].replace(
    model="small_cnn", weights="none", image_size=28, precision="fp32", steps=12, batch_size=8, record_every=6,
    save_every=12, swa_start=6, mixup=MixupConfig(start=6, codes=8, directions=4, scale_init=8.0),
)
root = {root!r}
points, subset, directions, images, dimensions = 3, 150, 4, 150, (2,)
pairs, groups, untrained, count, steps, draws = 20, 20, 30, 60, 6, 200
"""


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


execute = load(FOLDER / "execute.py")


def last_output(notebook: Any) -> str:
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return "".join(output.get("text", "") for output in code[-1].outputs)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first notebook that needs the two runs trains them; the others find them."""
    return tmp_path_factory.mktemp("checkpoints")


def test_there_are_six() -> None:
    assert [name[:2] for name in NAMES] == ["01", "02", "03", "04", "05", "06"]
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == NAMES


@pytest.mark.parametrize("source", SOURCES, ids=NAMES)
def test_it_runs_and_ends_with_the_claim(source: Path, checkpoints: Path, tmp_path: Path) -> None:
    notebook = execute.read(source, SMALL.format(root=str(checkpoints)))
    said = execute.execute(notebook, tmp_path)
    assert ENDING.search(last_output(notebook))
    # Training draws its bars there; nothing else has anything to say.
    assert not re.search(r"warning|error", said, re.IGNORECASE), said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("source", SOURCES, ids=NAMES)
def test_script_and_notebook_are_the_same(source: Path) -> None:
    stored = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    cells = [(cell.cell_type, cell.source) for cell in jupytext.read(source).cells]
    assert [(cell.cell_type, cell.source) for cell in stored.cells] == cells, "run: make notebooks"


@pytest.mark.parametrize("source", SOURCES, ids=NAMES)
def test_stored_outputs_are_whole_and_clean(source: Path) -> None:
    path = source.with_suffix(".ipynb")
    stored = nbformat.read(path, as_version=4)
    nbformat.validate(stored)
    assert path.stat().st_size < 700_000
    code = [cell for cell in stored.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert ENDING.search(last_output(stored))
    kinds = {kind for cell in code for output in cell.outputs for kind in output.get("data", {})}
    assert kinds <= {"image/png", "text/html", "text/plain"}
    assert "image/png" in kinds
    for cell in code:
        assert "execution" not in cell.metadata  # times of execution
        if "figure" in cell.source:
            assert any("image/png" in output.get("data", {}) for output in cell.outputs)
        for output in cell.outputs:
            assert output.output_type in ("stream", "display_data", "execute_result")
            assert output.get("name") != "stderr"
            words = output.get("text", "") + "".join(
                text for kind, text in output.get("data", {}).items() if kind.startswith("text/")
            )
            assert not PATHS.search(words)
            assert str(Path(sys.prefix)) not in words
            assert "object at 0x" not in words


def test_the_table_lists_every_notebook() -> None:
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"\((\d\d\w+)\.ipynb\)", text) == NAMES
