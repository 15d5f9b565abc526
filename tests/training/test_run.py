"""A run's folder: names, order of checkpoints, references from the command line."""

from pathlib import Path

import pytest

from landscape.config import RunConfig
from landscape.errors import InputError
from landscape.training import Run, evaluations, resolve, select, summarise, train


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("checkpoints")


@pytest.fixture
def run(tiny: RunConfig, root: Path) -> Run:
    return train(tiny, root=root, progress=False)


def test_the_folder_is_named_by_what_determines_the_run(run: Run, tiny: RunConfig) -> None:
    name, _, code = run.folder.name.rpartition("-")
    assert name.endswith("-neon-fgmix-s0")
    assert code == tiny.hash()
    assert Run.open(run.folder) == run


@pytest.mark.parametrize(
    ("point", "file"),
    [
        ("", "step-000008"),
        ("@8", "step-000008"),
        ("@0", "step-000000"),
        ("@swa", "swa-000008"),
        ("@swa-6", "swa-000006"),
    ],
)
def test_references(run: Run, root: Path, point: str, file: str) -> None:
    for name in (run.folder.name, str(run.folder), run.folder.name[:-8]):
        assert resolve(f"{name}{point}", root).stem == file


def test_a_file_is_its_own_reference(run: Run, root: Path) -> None:
    assert resolve(run.find(), root) == run.find()


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("@7", "no raw checkpoint at step 7; recorded steps: 0, 2, 4, 6, 8"),
        ("@best", "asks for checkpoint 'best'"),
    ],
)
def test_a_point_that_does_not_exist(run: Run, root: Path, reference: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        resolve(f"{run.folder}{reference}", root)


def test_a_run_that_does_not_exist(run: Run, root: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Did you mean"):
        resolve(run.folder.name.replace("fgmix", "fgmx"), root)
    with pytest.raises(InputError, match="no runs"):
        resolve("anything", tmp_path)
    with pytest.raises(InputError, match="several runs"):
        resolve(run.folder.name[:8], root)


def test_selection_reads_source_validation_only(run: Run) -> None:
    rows = evaluations(run)
    best = select(run)
    assert best["validation"]["accuracy"] == max(row["validation"]["accuracy"] for row in rows if row["step"] > 0)
    assert [row["step"] for row in rows] == [0, 2, 4, 6, 8]
    assert "neon" in summarise(run)


def test_selection_leaves_the_initialisation_out(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"step": step, "validation": {"accuracy": 1.0 - step / 100}} for step in (0, 2, 4)]
    monkeypatch.setattr("landscape.training.summary.evaluations", lambda *args: rows)
    assert select(run)["step"] == 2


def test_the_trunk_must_be_beside_its_branches(run: Run, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(run.folder, tmp_path / run.folder.name)
    with pytest.raises(InputError, match="branched from"):
        Run.open(tmp_path / run.folder.name)
