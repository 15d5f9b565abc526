"""What all tests share: a cache of their own, and threads that do not fight over two cores."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from landscape.config import RunConfig
    from landscape.data import Task
    from landscape.training import Run

# Before anything imports torch. Processes that a test starts inherit all of it.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
os.environ["MPLBACKEND"] = "Agg"
# Nobody's decoded images or timings decide a test, and no test leaves any behind.
_CACHE = Path(tempfile.mkdtemp(prefix="landscape-tests-"))
os.environ["LANDSCAPE_CACHE"] = str(_CACHE)


@pytest.fixture(scope="session", autouse=True)
def session_cache() -> Iterator[Path]:
    """The cache folder of this session; the embedded images are decoded into it once per size."""
    yield _CACHE
    shutil.rmtree(_CACHE, ignore_errors=True)


@pytest.fixture(scope="session")
def write_shapes() -> Callable[..., Path]:
    """Writes a folder domain/class/image of bars, discs and rings with noise, darker from domain to domain."""
    import numpy as np
    from PIL import Image

    def write(root: Path, domains: Sequence[str], *, side: int = 32, count: int = 12, step: int = 40) -> Path:
        rng = np.random.default_rng(0)
        y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
        shapes = {"bar": abs(x) < 0.3, "disc": x**2 + y**2 < 0.4, "ring": abs(x**2 + y**2 - 0.5) < 0.2}
        for d, domain in enumerate(domains):
            for name, shape in shapes.items():
                folder = root / domain / name
                folder.mkdir(parents=True)
                for i in range(count):
                    noise = rng.integers(0, 90, (side, side, 3))
                    image = np.where(shape[..., None], 200 - step * d, 20 + step * d) + noise // 2
                    Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(folder / f"{i:02d}.png")
        return root

    return write


@pytest.fixture(scope="session")
def write_noise() -> Callable[..., Path]:
    """Writes a folder domain/class/image of random pixels."""
    import numpy as np
    from PIL import Image

    def write(root: Path, domains: Sequence[str], classes: Sequence[str], count: int) -> Path:
        rng = np.random.default_rng(1)
        for domain in domains:
            for label in classes:
                folder = root / domain / label
                folder.mkdir(parents=True)
                for index in range(count):
                    Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(folder / f"{index}.png")
        return root

    return write


@pytest.fixture(scope="session")
def small_run() -> dict[str, Any]:
    """Fields of a configuration that trains on :func:`write_shapes` in about a second."""
    from landscape.config import MixupConfig

    return {
        "model": "small_cnn",
        "weights": "none",
        "image_size": 28,
        "augmentation": "affine",
        "batch_size": 6,
        "steps": 8,
        "lr": 1e-3,
        "swa_start": 3,
        "record_every": 2,
        "save_every": 8,
        "device": "cpu",
        "precision": "fp32",
        "mixup": MixupConfig(start=5, codes=6, directions=8, hidden=8),
    }


@pytest.fixture(scope="session")
def drifting_config() -> "Callable[[Path], RunConfig]":
    """The configuration of a run on :func:`write_noise` that :func:`drifting_run` pretends to have trained."""
    from landscape.config import MixupConfig, RunConfig

    def config(images: Path) -> RunConfig:
        return RunConfig(
            algorithm="erm",
            data=str(images),
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

    return config


@pytest.fixture(scope="session")
def save_checkpoint() -> Callable[..., None]:
    """Saves a checkpoint where training would: ``(run, task, model, algorithm, step, kind)``."""
    from landscape.checkpoint import Checkpoint

    def save(run: "Run", task: "Task", model: Any, algorithm: Any, step: int, kind: Any) -> None:
        Checkpoint(
            model=model,
            algorithm=algorithm,
            config=run.config,
            step=step,
            kind=kind,
            classes=task.images.classes,
            domains=task.images.domains,
            split_digest=task.split.digest,
        ).save(run.path(step, kind))

    return save


@pytest.fixture(scope="session")
def drifting_run(save_checkpoint: Callable[..., None]) -> "Callable[..., Run]":
    """Writes a run's folder as training leaves it, with weights that drift at random from a common start."""
    import torch

    from landscape.data import open_task
    from landscape.fgmix import VARIANTS, WeightPolicy
    from landscape.models import build_network
    from landscape.training import Run

    def write(root: Path, config: "RunConfig", *, steps: tuple[int, ...] = (0, 2, 4), drift: int = 0) -> Run:
        run, task = Run.at(root, config), open_task(config, progress=False)
        run.write_config()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            network = build_network(config.model, num_classes=len(task.images.classes), weights="none")
            algorithm = {}
            if config.uses_mixup:
                policy = WeightPolicy(
                    VARIANTS[config.algorithm],
                    config.mixup,
                    classifier=network.classifier,
                    feature_dim=network.feature_dim,
                )
                algorithm = {f"policy/{name}": tensor for name, tensor in policy.state_dict().items()}
            torch.manual_seed(drift)
            total = {name: p.detach().clone() for name, p in network.named_parameters()}
            for count, step in enumerate(steps, start=1):
                if step:
                    with torch.no_grad():
                        for parameter in network.parameters():
                            parameter += 0.02 * torch.randn_like(parameter)
                    for name, parameter in network.named_parameters():
                        total[name] += parameter.detach()
                average = {**network.state_dict(), **{name: tensor / count for name, tensor in total.items()}}
                for kind, model in (("raw", network.state_dict()), ("swa", average)):
                    save_checkpoint(run, task, model, algorithm, step, kind)
        return run

    return write


@pytest.fixture
def in_workplace(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a package's own fixture `workplace`, with its cache, as the present folder."""
    monkeypatch.setenv("LANDSCAPE_CACHE", str(workplace / "cache"))
    monkeypatch.chdir(workplace)
    return workplace


@pytest.fixture
def kill_midway() -> Callable[..., int]:
    """Runs a command whose every point takes a moment, and kills it once its journal has some rows; returns how many.

    Arguments of the returned function: the command's module, the method that evaluates a point (``module:Class.name``),
    the command's arguments with its folder `out` behind them, and the rows to wait for.
    """
    from landscape.storage import Journal

    def kill(module: str, point: str, arguments: Sequence[str], out: Path, *, rows: int, seconds: float = 120) -> int:
        where, _, name = point.partition(":")
        owner, _, method = name.partition(".")
        slow = (
            f"import sys, time; from {where} import {owner}; point = {owner}.{method}\n"
            "def wait(*a):\n    time.sleep(0.1); return point(*a)\n"
            f"{owner}.{method} = wait\n"
            f"from {module}.__main__ import main; main(sys.argv[1:])"
        )
        command = [sys.executable, "-c", slow, *arguments, "--out", str(out)]
        child = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and child.poll() is None:
            journals = list(out.glob("*.journal.jsonl"))
            if journals and len(Journal(journals[0]).read()) >= rows:
                break
            time.sleep(0.02)
        os.kill(child.pid, signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
        assert not list(out.glob("*.nc"))
        (journal,) = out.glob("*.journal.jsonl")
        return len(Journal(journal).read())

    return kill
