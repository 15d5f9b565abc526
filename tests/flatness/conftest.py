"""Small tasks and networks, checkpoints with policies, and runs on disk."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from landscape.checkpoint import Checkpoint
from landscape.config import MixupConfig, RunConfig
from landscape.data import DomainImages, Task, open_task, split_images
from landscape.fgmix import VARIANTS, WeightPolicy
from landscape.models import Network, build_network
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
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images and the runs of two methods on them, with a common start: ``images``, ``checkpoints``."""
    root = tmp_path_factory.mktemp("flatness")
    rng = np.random.default_rng(1)
    for domain in DOMAINS:
        for label in CLASSES:
            folder = root / "images" / domain / label
            folder.mkdir(parents=True)
            for index in range(5):
                Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(folder / f"{index}.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LANDSCAPE_CACHE", str(root / "cache"))
        for drift, algorithm in enumerate(("erm", "fgmix"), start=1):
            config = RunConfig(
                algorithm=algorithm,
                data=str(root / "images"),
                target="sketch",
                steps=4,
                record_every=2,
                swa_start=1,
                image_size=32,
                model="small_cnn",
                weights="none",
                precision="fp32",
                mixup=MixupConfig(start=2),
            )
            _write_run(root / "checkpoints", config, drift)
    return root


def _write_run(root: Path, config: RunConfig, drift: int) -> None:
    run, task = Run.at(root, config), open_task(config, progress=False)
    run.write_config()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build_network(config.model, num_classes=len(task.images.classes), weights="none")
        state = {}
        if config.uses_mixup:
            policy = WeightPolicy(
                VARIANTS[config.algorithm], config.mixup, classifier=network.classifier, feature_dim=network.feature_dim
            )
            state = {f"policy/{name}": tensor for name, tensor in policy.state_dict().items()}
        torch.manual_seed(drift)
        for step in (0, 2, 4):
            if step:
                with torch.no_grad():
                    for parameter in network.parameters():
                        parameter += 0.02 * torch.randn_like(parameter)
            for kind in ("raw", "swa"):
                Checkpoint(
                    model=network.state_dict(),
                    algorithm=state,
                    config=config,
                    step=step,
                    kind=kind,
                    classes=task.images.classes,
                    domains=task.images.domains,
                    split_digest=task.split.digest,
                ).save(run.path(step, kind))


@pytest.fixture
def in_workplace(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LANDSCAPE_CACHE", str(workplace / "cache"))
    monkeypatch.chdir(workplace)
    return workplace


@pytest.fixture
def references(in_workplace: Path) -> list[str]:
    erm, fgmix = sorted(path.name for path in (in_workplace / "checkpoints").iterdir())
    return [f"{erm}@swa", f"{fgmix}@swa"]
