"""The hinge: what is saved is what is loaded, and nothing that is loaded can run code."""

import errno
import pickle
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import nn

from landscape.checkpoint import Checkpoint
from landscape.config import PRESETS
from landscape.errors import InputError


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).to(memory_format=torch.channels_last)


def checkpoint(model: nn.Module) -> Checkpoint:
    return Checkpoint(
        model=model.state_dict(),
        algorithm={"policy/scale": torch.tensor(3.0)},
        config=PRESETS["quick"],
        step=160,
        kind="swa",
        classes=("cat", "dog"),
        domains=("photo", "sketch"),
        split_digest="abc",
        metrics={"target": {"accuracy": 0.5}},
    )


def test_save_then_load_gives_identical_content(tmp_path: Path) -> None:
    saved = checkpoint(network())
    loaded = Checkpoint.load(saved.save(tmp_path / "swa-000160.safetensors"))
    assert loaded.model.keys() == saved.model.keys()
    assert all(torch.equal(loaded.model[name], saved.model[name]) for name in saved.model)
    assert torch.equal(loaded.algorithm["policy/scale"], torch.tensor(3.0))
    for name in ("config", "step", "kind", "classes", "domains", "split_digest", "metrics"):
        assert getattr(loaded, name) == getattr(saved, name), name


def test_the_same_checkpoint_is_the_same_bytes(tmp_path: Path) -> None:
    saved = checkpoint(network())
    first, second = (saved.save(tmp_path / f"{i}.safetensors").read_bytes() for i in range(2))
    assert first == second


def test_load_into_keeps_the_memory_layout(tmp_path: Path) -> None:
    source, target = network(), network()
    with torch.no_grad():
        source[0].weight.add_(1.0)
    Checkpoint.load(checkpoint(source).save(tmp_path / "a.safetensors")).load_into(target)
    assert torch.equal(source[0].weight, target[0].weight)
    assert target[0].weight.is_contiguous(memory_format=torch.channels_last)


class Bomb:
    """Unpickling this writes a file."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return (open, (self.path, "w"))


@pytest.mark.parametrize("form", ["torch", "torch-legacy", "pickle"])
def test_a_pickled_file_is_refused_and_never_executed(tmp_path: Path, form: str) -> None:
    marker = tmp_path / "executed"
    path = tmp_path / "evil.pt"
    if form == "pickle":
        path.write_bytes(pickle.dumps(Bomb(str(marker))))
    else:
        torch.save(Bomb(str(marker)), path, _use_new_zipfile_serialization=form == "torch")
    with pytest.raises(InputError, match="pickled"):
        Checkpoint.load(path)
    assert not marker.exists()


@pytest.mark.parametrize("keep", [0, 4, 8, 100, 0.5, 0.99])
def test_a_truncated_checkpoint_is_one_sentence(tmp_path: Path, keep: float) -> None:
    path = checkpoint(network()).save(tmp_path / "step-000160.safetensors")
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if isinstance(keep, float) else keep])
    with pytest.raises(InputError, match=r"step-000160\.safetensors is damaged"):
        Checkpoint.load(path)


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        Checkpoint.load(tmp_path / "nowhere.safetensors")


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_keeps_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    saved = checkpoint(network())
    path = saved.save(tmp_path / "step-000160.safetensors")
    before = path.read_bytes()

    def full(tensors: dict, filename: Path, metadata: dict) -> None:
        Path(filename).write_bytes(b"half of it")
        raise error

    monkeypatch.setattr("landscape.checkpoint.save_file", full)
    with pytest.raises(InputError, match="no space left"):
        saved.save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_wrapped_names_are_stripped_with_a_note(tmp_path: Path) -> None:
    model = network()
    save_file(
        {f"module._orig_mod.{k}": v.contiguous() for k, v in model.state_dict().items()}, tmp_path / "w.safetensors"
    )
    loaded = Checkpoint.load(tmp_path / "w.safetensors")
    assert loaded.model.keys() == model.state_dict().keys()
    assert len(loaded.notes) == 2
    assert loaded.config is None


def test_another_architecture_is_named_by_its_first_tensor(tmp_path: Path) -> None:
    loaded = checkpoint(network())
    with pytest.raises(InputError, match=r"0\.bias has shape \(4,\), expected \(5,\)"):
        loaded.weights(nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5)))
    with pytest.raises(InputError, match=r"lacks 2\.weight"):
        loaded.weights(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(1, 1)))
    with pytest.raises(InputError, match=r"has 1\.bias|has 1\.\w+, which the network lacks"):
        loaded.weights(nn.Sequential(nn.Conv2d(3, 4, 3)))
