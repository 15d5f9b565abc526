"""A study that is trained in seconds: pictures of shapes in four domains, two targets, two seeds."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from landscape.config import MixupConfig, RunConfig
from landscape.figures.scale import SCALES
from landscape.figures.study import Study
from landscape.training import train

DOMAINS, CLASSES = ("photo", "clipart", "cartoon", "sketch"), ("bar", "disc", "ring")
TARGETS, SEEDS = ("cartoon", "sketch"), (0, 1)
METHODS = ("erm", "a", "c", "fgmix")


def write_shapes(root: Path) -> Path:
    """Bars, discs and rings with noise, darker from domain to domain."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-1:1:28j, -1:1:28j]
    shapes = {"bar": abs(x) < 0.3, "disc": x**2 + y**2 < 0.4, "ring": abs(x**2 + y**2 - 0.5) < 0.2}
    for d, domain in enumerate(DOMAINS):
        for name in CLASSES:
            folder = root / domain / name
            folder.mkdir(parents=True)
            for i in range(8):
                noise = rng.integers(0, 90, (28, 28, 3))
                image = np.where(shapes[name][..., None], 200 - 50 * d, 20 + 50 * d) + noise // 2
                Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(folder / f"{i:02d}.png")
    return root


@pytest.fixture(scope="session")
def shapes_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shapes(tmp_path_factory.mktemp("shapes") / "shapes")


def tiny_config(folder: Path) -> RunConfig:
    return RunConfig(
        data=str(folder),
        model="small_cnn",
        weights="none",
        image_size=28,
        augmentation="affine",
        batch_size=6,
        steps=8,
        lr=1e-3,
        swa_start=3,
        record_every=2,
        save_every=8,
        device="cpu",
        precision="fp32",
        mixup=MixupConfig(start=5, codes=6, directions=8, hidden=8),
    )


@pytest.fixture(scope="session")
def make_study(shapes_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Study]:
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
            config=tiny_config(shapes_folder),
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
