"""A study that is trained in seconds: pictures of shapes in four domains, two targets, two seeds."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from landscape.config import RunConfig
from landscape.figures.machinery.scale import SCALES
from landscape.figures.machinery.study import Study
from landscape.training import train

DOMAINS = ("photo", "clipart", "cartoon", "sketch")
TARGETS, SEEDS = ("cartoon", "sketch"), (0, 1)
METHODS = ("erm", "a", "c", "fgmix")


@pytest.fixture(scope="session")
def shapes_folder(tmp_path_factory: pytest.TempPathFactory, write_shapes: Callable[..., Path]) -> Path:
    return write_shapes(tmp_path_factory.mktemp("shapes") / "shapes", DOMAINS, side=28, count=8, step=50)


@pytest.fixture(scope="session")
def make_study(
    shapes_folder: Path, tmp_path_factory: pytest.TempPathFactory, small_run: dict[str, Any]
) -> Callable[..., Study]:
    """A study without runs in a folder of its own; keywords replace its fields."""

    def make(**changes: object) -> Study:
        root = tmp_path_factory.mktemp("study")
        scale = replace(
            SCALES["quick"],
            points=3,
            directions=6,
            gammas=2,
            flat_images=24,
            conflict_points=2,
            conflict_images=12,
            curvature_images=8,
            curvature_steps=2,
            pairs=20,
            untrained=3,
        )
        study = Study(
            scale,
            data=str(shapes_folder),
            chosen=TARGETS,
            seeds=SEEDS,
            root=root / "checkpoints",
            results=root / "results",
            device="cpu",
            progress=False,
            config=RunConfig(data=str(shapes_folder), **small_run),
        )
        return replace(study, **changes)  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def study(make_study: Callable[..., Study]) -> Study:
    """ERM, A, C and FGMix, trained for both targets and both seeds. Tests must not change its runs."""
    made = make_study()
    for config in made.wanted(METHODS):
        train(config, root=made.root, task=made.task(config.target, config.seed), progress=False)
    return made


@pytest.fixture(scope="session")
def demo_study(study: Study) -> Study:
    """The same as after `make demo`: ERM and FGMix for the main target and one seed; all else is wanted, not there."""
    import shutil
    import tempfile

    root = Path(tempfile.mkdtemp(dir=study.root.parent, prefix="demo-"))
    for name in ("erm", "fgmix"):
        run = study.run(name, study.main, 0)
        assert run is not None
        shutil.copytree(run.folder, root / run.folder.name)
        assert run.trunk is not None
        shutil.copytree(run.trunk.folder, root / run.trunk.folder.name, dirs_exist_ok=True)
    return replace(study, root=root, results=root / "results", seeds=(0,))
