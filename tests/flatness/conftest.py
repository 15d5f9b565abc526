"""Small tasks and networks, checkpoints with policies, and runs on disk."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from landscape.checkpoint import Checkpoint
from landscape.config import MixupConfig, RunConfig
from landscape.data import DomainImages, Task, split_images
from landscape.fgmix import VARIANTS, WeightPolicy
from landscape.models import Network
from landscape.training import Run

DOMAINS = ("photo", "clipart", "cartoon", "sketch")
CLASSES = ("cat", "dog", "bird")
SIDE = 8


@pytest.fixture
def task() -> Task:
    rng = np.random.default_rng(0)
    counts = {(d, k): 5 + d + k for d in range(len(DOMAINS)) for k in range(len(CLASSES))}
    domain = np.array([d for (d, _), n in counts.items() for _ in range(n)])
    labels = np.array([k for (_, k), n in counts.items() for _ in range(n)])
    images = DomainImages(
        name="toy",
        domains=DOMAINS,
        classes=CLASSES,
        pixels=rng.integers(0, 256, (len(labels), SIDE, SIDE, 3), dtype=np.uint8),
        labels=labels,
        domain=domain,
        files=tuple(f"{i}.png" for i in range(len(labels))),
        concepts=None,
        unreadable=(),
        digest="toy",
    )
    return Task(images, split_images(images, seed=0, rule="random"), "sketch")


@pytest.fixture
def network() -> Network:
    return make_network()


def make_network(seed: int = 0, *, hidden: bool = False) -> Network:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        features = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Tanh(), nn.AvgPool2d(3), nn.Flatten())
        layers = [nn.Linear(8, 5), nn.Tanh(), nn.Linear(5, 3)] if hidden else [nn.Linear(8, 3)]
        classifier = nn.Sequential(*layers) if hidden else layers[0]
        return Network(features, classifier, feature_dim=8, num_classes=3).eval()


@pytest.fixture
def network_of() -> Callable[..., Network]:
    return make_network


@pytest.fixture
def checkpoint_of() -> Callable[..., Checkpoint]:
    return make_checkpoint


def make_checkpoint(algorithm: str, seed: int, *, hidden: bool = False, step: int = 4) -> Checkpoint:
    """Random weights and, for a method with mixup, a random policy."""
    network = make_network(seed, hidden=hidden)
    config = RunConfig(algorithm=algorithm, data="toy", target="sketch", steps=4, mixup=MixupConfig(start=2))
    state = {}
    if config.uses_mixup:
        with torch.random.fork_rng():
            torch.manual_seed(100 + seed)
            policy = WeightPolicy(
                VARIANTS[algorithm], config.mixup, classifier=network.classifier, feature_dim=network.feature_dim
            )
            state = {f"policy/{name}": tensor for name, tensor in policy.state_dict().items()}
    model = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    return Checkpoint(model=model, algorithm=state, config=config, step=step)


@pytest.fixture(scope="session")
def workplace(
    tmp_path_factory: pytest.TempPathFactory,
    write_noise: Callable[..., Path],
    drifting_config: Callable[[Path], RunConfig],
    drifting_run: Callable[..., Run],
) -> Path:
    """Images and the runs of two methods on them, with a common start: ``images``, ``checkpoints``."""
    root = tmp_path_factory.mktemp("flatness")
    config = drifting_config(write_noise(root / "images", DOMAINS, CLASSES, 5))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LANDSCAPE_CACHE", str(root / "cache"))
        for drift, algorithm in enumerate(("erm", "fgmix"), start=1):
            drifting_run(root / "checkpoints", config.replace(algorithm=algorithm), drift=drift)
    return root


@pytest.fixture
def references(in_workplace: Path) -> list[str]:
    erm, fgmix = sorted(path.name for path in (in_workplace / "checkpoints").iterdir())
    return [f"{erm}@swa", f"{fgmix}@swa"]
