"""Checkpoints opened for analysis: copied run folders, and state dicts that others saved."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision.models import resnet18

from landscape.checkpoint import Checkpoint
from landscape.config import MixupConfig, RunConfig
from landscape.data import DomainImages, Task, split_images
from landscape.errors import InputError
from landscape.files import Files
from landscape.models import build_network
from landscape.opened import Opened, policy_of
from landscape.surface.setting import Setting
from landscape.training import Run

CONFIG = RunConfig(
    algorithm="fgmix",
    target="sketch",
    steps=4,
    swa_start=1,
    model="small_cnn",
    weights="none",
    precision="fp32",
    mixup=MixupConfig(start=2),
)


@pytest.fixture
def task() -> Task:
    rng = np.random.default_rng(0)
    images = DomainImages(
        name="toy",
        domains=("photo", "sketch"),
        classes=("cat", "dog", "bird"),
        pixels=rng.integers(0, 256, (24, 8, 8, 3), dtype=np.uint8),
        labels=np.arange(24) % 3,
        domain=np.arange(24) // 12,
        files=tuple(f"{i}.png" for i in range(24)),
        concepts=None,
        unreadable=(),
        digest="toy",
    )
    return Task(images, split_images(images, seed=0, rule="random"), "sketch")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run beside its trunk; the averaged checkpoint holds something that passes for a policy."""
    trunk = Run.at(tmp_path / "runs", CONFIG, is_trunk=True)
    trunk.write_config()
    branch = Run.at(tmp_path / "runs", CONFIG, trunk)
    branch.write_config()
    network = build_network("small_cnn", num_classes=3, weights="none")
    for owner, step in ((trunk, 0), (branch, 2), (branch, 4)):
        for kind in ("raw", "swa"):
            Checkpoint(
                model=network.state_dict(),
                algorithm={"policy/scale": torch.ones(1)},
                config=CONFIG,
                step=step,
                kind=kind,
                classes=("cat", "dog", "bird"),
            ).save(owner.path(step, kind))
    return branch


def test_a_run_beside_its_trunk_is_found(run: Run) -> None:
    found = Files().run_of(Checkpoint.load(run.path(4, "swa")))
    assert found == run
    assert [step for step, _ in found.checkpoints()] == [0, 2, 4]


def test_a_copied_folder_without_its_trunk_is_opened_without_a_path(run: Run, tmp_path: Path, task: Task) -> None:
    copied = tmp_path / "elsewhere" / run.folder.name
    shutil.copytree(run.folder, copied)
    average = Checkpoint.load(copied / "swa-000004.safetensors")
    with pytest.raises(InputError, match="which is not beside it"):
        Run.open(copied)
    assert Files().run_of(average) is None
    raw, notes = policy_of(average, Files())
    assert (raw.path, notes) == (copied / "step-000004.safetensors", [])
    setting = Setting.around(copied / "swa-000004.safetensors", task)
    assert setting.paths == ()
    assert any(note.startswith("no path is drawn for") for note in setting.notes)
    assert setting.policy is not None
    assert setting.policy.path == copied / "step-000004.safetensors"
    (copied / "step-000004.safetensors").unlink()
    raw, notes = policy_of(average, Files())
    assert raw is average
    assert "its raw iterate is not beside it" in notes[0]


@pytest.mark.parametrize("content", ["{", "{}", json.dumps({"trunk": None, "branch_step": 0, "config": {"nope": 1}})])
def test_a_damaged_config_leaves_the_checkpoint_usable(run: Run, content: str) -> None:
    (run.folder / "config.json").write_text(content)
    assert Files().run_of(Checkpoint.load(run.path(4))) is None


def test_a_plain_resnet18_is_opened_under_our_names(tmp_path: Path, task: Task) -> None:
    torch.manual_seed(0)
    theirs = [resnet18(num_classes=3, weights=None).eval() for _ in range(2)]
    files = []
    for index, network in enumerate(theirs):
        save_file(network.state_dict(), tmp_path / f"plain{index}.safetensors")
        files.append(tmp_path / f"plain{index}.safetensors")
    opened = Opened.open(files, task, network="resnet18")
    assert sum("renamed its tensors" in note for note in opened.notes) == 2
    images = torch.randn(2, 3, 32, 32)
    for checkpoint, network in zip(opened.checkpoints, theirs, strict=True):
        checkpoint.load_into(opened.network)
        with torch.no_grad():
            torch.testing.assert_close(opened.network.eval()(images), network(images))
    with pytest.raises(
        InputError, match=r"plain0\.safetensors does not fit the network: .*Expected the names featuriz"
    ):
        Opened.open(files, task, network="small_cnn")
    # Parameters alone, with the buffers of the network that is given.
    module = build_network("resnet18", num_classes=3, weights="none")
    opened = Opened.open([dict(theirs[0].named_parameters())], task, network=module)
    assert torch.equal(opened.checkpoints[0].weights(module)["classifier.bias"], theirs[0].fc.bias)
    assert isinstance(opened.network, nn.Module)


def test_a_checkpoint_of_a_run_is_never_renamed(run: Run, task: Task) -> None:
    loaded = Checkpoint.load(run.path(4))
    odd = replace(loaded, model={name.removeprefix("featurizer.backbone."): t for name, t in loaded.model.items()})
    opened = Opened.open([odd], task)
    with pytest.raises(InputError, match="does not fit the network"):
        opened.checkpoints[0].weights(opened.network)
