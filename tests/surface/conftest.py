"""A small task of random images and networks small enough to compute by hand."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from landscape.config import RunConfig
from landscape.data import DomainImages, Task, split_images
from landscape.models import Network
from landscape.training import Run

DOMAINS = ("photo", "clipart", "cartoon", "sketch")
CLASSES = ("cat", "dog", "bird")
SIDE = 8


def make_task(*, per_class: int = 6, drop: tuple[str, str] | None = None, rule: str = "random") -> Task:
    """Random images; `drop` takes all images of one class out of one domain."""
    rng = np.random.default_rng(0)
    domain, labels = [], []
    for d, name in enumerate(DOMAINS):
        for k, label in enumerate(CLASSES):
            if drop != (name, label):
                count = per_class + d + k
                domain += [d] * count
                labels += [k] * count
    n = len(labels)
    images = DomainImages(
        name="toy",
        domains=DOMAINS,
        classes=CLASSES,
        pixels=rng.integers(0, 256, (n, SIDE, SIDE, 3), dtype=np.uint8),
        labels=np.array(labels),
        domain=np.array(domain),
        files=tuple(f"{i}.png" for i in range(n)),
        concepts=None,
        unreadable=(),
        digest="toy",
    )
    return Task(images, split_images(images, seed=0, rule=rule), "sketch")


def make_network(seed: int, *, batch_norm: bool = False) -> Network:
    """A convolution, batch norm with its own running statistics if wanted, and a linear classifier."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        norm = nn.BatchNorm2d(4)
        if batch_norm:
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2.0)
        features = nn.Sequential(
            nn.Conv2d(3, 4, 3), norm if batch_norm else nn.Identity(), nn.Tanh(), nn.AvgPool2d(3), nn.Flatten()
        )
        return Network(features, nn.Linear(16, len(CLASSES)), feature_dim=16, num_classes=len(CLASSES)).eval()


class Linear(nn.Module):
    """Logits W x + b of the pixels themselves: the loss is known in closed form."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3 * SIDE * SIDE, len(CLASSES))
        self.mean, self.std = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.linear(images.permute(0, 2, 3, 1).flatten(1))


def linear_weights(seed: int, scale: float = 0.05) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = {name: p.shape for name, p in Linear().named_parameters()}
    return {name: scale * torch.randn(shape, generator=generator) for name, shape in shapes.items()}


@pytest.fixture
def task() -> Task:
    return make_task()


@pytest.fixture
def make() -> Callable[..., Task]:
    return make_task


@pytest.fixture
def network_of() -> Callable[..., Network]:
    return make_network


@pytest.fixture
def linear() -> tuple[nn.Module, Callable[..., dict[str, torch.Tensor]]]:
    return Linear(), linear_weights


@pytest.fixture(scope="session")
def workplace(
    tmp_path_factory: pytest.TempPathFactory,
    write_noise: Callable[..., Path],
    drifting_config: Callable[[Path], RunConfig],
    drifting_run: Callable[..., Run],
) -> Path:
    """Images, and two runs of small networks on them: ``images``, ``checkpoints``."""
    root = tmp_path_factory.mktemp("workplace")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LANDSCAPE_CACHE", str(root / "cache"))
        config = drifting_config(write_noise(root / "images", DOMAINS, CLASSES, 6))
        drifting_run(root / "checkpoints", config, drift=1)
        drifting_run(root / "checkpoints", config.replace(algorithm="fgmix"), drift=2)
    return root


@pytest.fixture
def base_config(workplace: Path, drifting_config: Callable[[Path], RunConfig]) -> RunConfig:
    return drifting_config(workplace / "images")
