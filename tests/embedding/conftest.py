"""Codes with known geometry, and two runs of a small network on random images."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from landscape.config import MixupConfig, RunConfig
from landscape.data import open_task
from landscape.embedding.codes import Codes
from landscape.fgmix import VARIANTS, WeightPolicy
from landscape.models import build_network
from landscape.training import Run

DOMAINS, CLASSES = ("clay", "ink", "mist", "neon"), ("bar", "disc")


def make_codes(*, per_cell: int = 10, dimensions: int = 6, seed: int = 0, target: str = "neon", **keywords) -> Codes:
    """Gaussian codes: a centre per class, a shift per domain."""
    rng = np.random.default_rng(seed)
    classes, shifts = 4 * rng.standard_normal((2, dimensions)), rng.standard_normal((4, dimensions))
    domain, label = (part.ravel() for part in np.indices((4, 2, per_cell))[:2])
    codes = classes[label] + shifts[domain] + rng.standard_normal((len(label), dimensions))
    return Codes.of(codes, np.array(CLASSES)[label], np.array(DOMAINS)[domain], target=target, seed=seed, **keywords)


@pytest.fixture
def codes_of() -> Callable[..., Codes]:
    return make_codes


def write_run(root: Path, config: RunConfig, drift: int, save_checkpoint: Callable[..., None]) -> Run:
    """A run's folder as training leaves it; its policy scales so much that many codes extrapolate."""
    run, task = Run.at(root, config), open_task(config, progress=False)
    run.write_config()
    with torch.random.fork_rng():
        torch.manual_seed(drift)
        network = build_network(config.model, num_classes=2, weights="none")
        algorithm = {}
        if config.uses_mixup:
            policy = WeightPolicy(
                VARIANTS[config.algorithm],
                config.mixup,
                classifier=network.classifier,
                feature_dim=network.feature_dim,
            )
            with torch.no_grad():
                for parameter in policy.parameters():
                    parameter += 0.5 * torch.randn_like(parameter)
                policy.scale.fill_(4.0)
            algorithm = {f"policy/{name}": tensor for name, tensor in policy.state_dict().items()}
        for kind in ("raw", "swa"):
            with torch.no_grad():
                for parameter in network.parameters():
                    parameter += 0.02 * torch.randn_like(parameter)
            save_checkpoint(run, task, network.state_dict(), algorithm, 4, kind)
    return run


@pytest.fixture(scope="session")
def workplace(
    tmp_path_factory: pytest.TempPathFactory, write_noise: Callable[..., Path], save_checkpoint: Callable[..., None]
) -> Path:
    root = tmp_path_factory.mktemp("embedding")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LANDSCAPE_CACHE", str(root / "cache"))
        config = RunConfig(
            algorithm="erm",
            data=str(write_noise(root / "images", DOMAINS, CLASSES, 7)),
            target="neon",
            steps=4,
            record_every=4,
            swa_start=1,
            image_size=32,
            model="small_cnn",
            weights="none",
            precision="fp32",
            mixup=MixupConfig(start=2),
        )
        write_run(root / "checkpoints", config, 1, save_checkpoint)
        write_run(root / "checkpoints", config.replace(algorithm="fgmix"), 2, save_checkpoint)
    return root


@pytest.fixture
def runs(in_workplace: Path) -> list[str]:
    """Names of ERM's and FGMix's run."""
    return sorted(path.name for path in (in_workplace / "checkpoints").iterdir())
