"""What every row has to keep: it learns, it resumes, it repeats; and everything is saved."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from landscape.algorithms import Facts, build_algorithm
from landscape.algorithms.catalogue import METHODS
from landscape.config import MixupConfig, RunConfig
from landscape.data import open_task
from landscape.training import Run, engine, train


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory, write_shapes: Callable[..., Path]) -> Path:
    return write_shapes(tmp_path_factory.mktemp("contract"), ("clay", "ink", "neon"), step=60)


@pytest.fixture
def config(folder: Path, small_run: dict[str, Any]) -> RunConfig:
    fields = {**small_run, "steps": 20, "record_every": 10, "save_every": 5, "lr": 3e-3, "dropout": 0.1}
    fields["mixup"] = MixupConfig(start=3, codes=6, directions=8, hidden=8)
    return RunConfig(data=str(folder), target="neon", **fields)


@pytest.mark.parametrize("name", list(METHODS))
def test_a_method_learns_resumes_and_repeats(name: str, config: RunConfig, tmp_path: Path) -> None:
    config = config.replace(algorithm=name)
    whole = train(config, root=tmp_path / "whole", share_trunk=False, progress=False)
    losses = [row["loss"] for row in whole.metrics() if row["event"] == "step"]
    assert sum(losses[-5:]) < sum(losses[:5])

    class Stopped(Exception):
        pass

    with pytest.MonkeyPatch.context() as patch:  # a crash in step 14: saved after step 10
        algorithm = type(algorithm_of(config))
        original = algorithm.update

        def update(self, batch, step):  # type: ignore[no-untyped-def]
            if step == 14:
                raise Stopped
            return original(self, batch, step)

        patch.setattr(algorithm, "update", update)
        with pytest.raises(Stopped):
            train(config, root=tmp_path / "killed", share_trunk=False, progress=False)
    assert_same(whole, train(config, root=tmp_path / "killed", share_trunk=False, progress=False))
    # Another process's generator, another place: the same bits.
    torch.manual_seed(99)
    assert_same(whole, train(config, root=tmp_path / "again", share_trunk=False, progress=False))


def algorithm_of(config: RunConfig) -> Any:
    task = open_task(config, progress=False)
    return build_algorithm(engine.architecture(config, len(task.images.classes)), config, Facts.of(task, config))


def assert_same(first: Run, second: Run) -> None:
    for kind in ("raw", "swa"):
        ours, theirs = dict(first.checkpoints(kind)), dict(second.checkpoints(kind))
        assert ours.keys() == theirs.keys()
        for step, path in ours.items():
            a, b = load_file(path), load_file(theirs[step])
            assert a.keys() == b.keys()
            assert all(torch.equal(a[key], b[key]) for key in a), (kind, step)


@pytest.mark.parametrize("name", list(METHODS))
def test_nothing_is_left_on_the_network(name: str, config: RunConfig) -> None:
    config = config.replace(algorithm=name, precision="fp32")
    task = open_task(config, progress=False)
    algorithm = algorithm_of(config)
    batches = engine.minibatches(task, config, algorithm.network, torch.device("cpu"))
    before = {name: parameter.requires_grad for name, parameter in algorithm.network.named_parameters()}
    for step in (2, 3):
        algorithm.update(batches.at(step), step)
    for module in algorithm.network.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
    assert {name: p.requires_grad for name, p in algorithm.network.named_parameters()} == before
    algorithm.check_declared()
