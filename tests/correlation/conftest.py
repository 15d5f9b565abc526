"""Four small domains, and runs of FGMix on them whose score has been trained for a few steps."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from landscape.config import RunConfig
from landscape.correlation.association import Association
from landscape.correlation.recipe import Recipe
from landscape.data import DomainImages, Task, split_images
from landscape.training import Run, train

DOMAINS = ("clay", "ink", "mist", "neon")


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


@pytest.fixture(scope="session")
def config_for(small_run: dict[str, Any]) -> Callable[..., RunConfig]:
    def config(images: Path, **changes: object) -> RunConfig:
        return RunConfig(algorithm="fgmix", data=str(images), target="neon", **small_run).replace(**changes)

    return config


@pytest.fixture(scope="session")
def workplace(
    tmp_path_factory: pytest.TempPathFactory, write_shapes: Callable[..., Path], config_for: Callable[..., RunConfig]
) -> Path:
    """``images``, and in ``checkpoints`` runs of FGMix, variant F, variant C and ERM."""
    root = tmp_path_factory.mktemp("correlation")
    images = write_shapes(root / "images", DOMAINS)
    for algorithm in ("fgmix", "f", "c", "erm"):
        train(config_for(images, algorithm=algorithm), root=root / "checkpoints", progress=False)
    return root


@pytest.fixture
def runs(workplace: Path) -> dict[str, Run]:
    """By algorithm."""
    found = [Run.open(path.parent) for path in (workplace / "checkpoints").glob("*/config.json")]
    return {run.config.algorithm: run for run in found if "-trunk-" not in run.folder.name}


@pytest.fixture
def config(workplace: Path, config_for: Callable[..., RunConfig]) -> RunConfig:
    return config_for(workplace / "images")


@pytest.fixture(scope="session")
def association(workplace: Path) -> Association:
    """Of the last iterate of the FGMix run."""
    (folder,) = (workplace / "checkpoints").glob("*-fgmix-*")
    return Association.measure(folder, recipe=Recipe(pairs=40, groups=20, null=30, resamples=300), progress=False)
