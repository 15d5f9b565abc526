"""Four small domains, and runs of FGMix on them whose score has been trained for a few steps."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from landscape.config import MixupConfig, RunConfig
from landscape.correlation.association import Association
from landscape.data import DomainImages, Task, split_images
from landscape.training import Run, train

DOMAINS, CLASSES = ("clay", "ink", "mist", "neon"), ("bar", "disc", "ring")


def make_task(counts: np.ndarray, target: str = "neon") -> Task:
    """Black images, `counts[d, k]` of class k in domain d."""
    domains = (*DOMAINS, "oil", "wax")[: len(counts)]
    domain = np.repeat(np.arange(len(counts)), counts.sum(1))
    labels = np.concatenate([np.repeat(np.arange(counts.shape[1]), row) for row in counts])
    n = len(labels)
    images = DomainImages(
        name="toy",
        domains=domains,
        classes=tuple(f"class{k}" for k in range(counts.shape[1])),
        pixels=np.zeros((n, 4, 4, 3), dtype=np.uint8),
        labels=labels,
        domain=domain,
        files=tuple(f"{i}.png" for i in range(n)),
        concepts=None,
        unreadable=(),
        digest="toy",
    )
    return Task(images, split_images(images, seed=0, rule="random"), target)


@pytest.fixture
def task_of() -> Callable[..., Task]:
    return make_task


def write_images(root: Path) -> Path:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-1:1:32j, -1:1:32j]
    shapes = {"bar": abs(x) < 0.3, "disc": x**2 + y**2 < 0.4, "ring": abs(x**2 + y**2 - 0.5) < 0.2}
    for d, domain in enumerate(DOMAINS):
        for name in CLASSES:
            folder = root / domain / name
            folder.mkdir(parents=True)
            for i in range(12):
                noise = rng.integers(0, 90, (32, 32, 3))
                image = np.where(shapes[name][..., None], 200 - 40 * d, 20 + 40 * d) + noise // 2
                Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(folder / f"{i:02d}.png")
    return root


def config_for(images: Path, **changes: object) -> RunConfig:
    config = RunConfig(
        algorithm="fgmix",
        data=str(images),
        target="neon",
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
    return config.replace(**changes)


@pytest.fixture(scope="session")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``images``, and in ``checkpoints`` runs of FGMix, variant F, variant C and ERM."""
    root = tmp_path_factory.mktemp("correlation")
    images = write_images(root / "images")
    for algorithm in ("fgmix", "f", "c", "erm"):
        train(config_for(images, algorithm=algorithm), root=root / "checkpoints", progress=False)
    return root


@pytest.fixture
def runs(workplace: Path) -> dict[str, Run]:
    """By algorithm."""
    found = [Run.open(path.parent) for path in (workplace / "checkpoints").glob("*/config.json")]
    return {run.config.algorithm: run for run in found if "-trunk-" not in run.folder.name}


@pytest.fixture
def config(workplace: Path) -> RunConfig:
    return config_for(workplace / "images")


@pytest.fixture(scope="session")
def association(workplace: Path) -> Association:
    """Of the last iterate of the FGMix run."""
    (folder,) = (workplace / "checkpoints").glob("*-fgmix-*")
    return Association.measure(folder, pairs=40, groups=20, untrained=30, resamples=300, progress=False)
