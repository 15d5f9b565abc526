"""The hinge: what is saved is what is loaded, and nothing that is loaded can run code."""

import errno
import pickle
import struct
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import nn

from landscape.checkpoint import Checkpoint, load_about, load_tensors, pickle_form, save_tensors
from landscape.config import PRESETS
from landscape.errors import InputError
from landscape.models.pretrained import read_state_dict


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


@pytest.mark.parametrize("form", ["torch", "torch-legacy", 0, 1, 2, 3, 4, 5])
def test_a_pickled_file_is_refused_and_never_executed(tmp_path: Path, form: str | int) -> None:
    marker = tmp_path / "executed"
    path = tmp_path / "evil.pt"
    if isinstance(form, int):
        path.write_bytes(pickle.dumps({"weight": Bomb(str(marker))}, protocol=form))
    else:
        torch.save(Bomb(str(marker)), path, _use_new_zipfile_serialization=form == "torch")
    with pytest.raises(InputError, match="pickled"):
        Checkpoint.load(path)
    assert not marker.exists()


@pytest.mark.parametrize("content", [{}, [], [1.5, 2.5], None, {"a": [1, 2]}, "text"])
@pytest.mark.parametrize("protocol", range(6))
def test_every_pickle_is_seen(content: object, protocol: int) -> None:
    assert pickle_form(pickle.dumps(content, protocol=protocol)) == ("text" if protocol < 2 else "binary")


@pytest.mark.parametrize("start", [0x0280, 0x0380, 0x0480, 0x0580, 0x4B50, 0x2E4E, 0x7D])
def test_a_header_length_that_looks_like_a_pickle_is_none(tmp_path: Path, start: int) -> None:
    # The first bytes of a safetensors file are the length of its header: it may be any number.
    entry = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", start) + entry.ljust(start) + struct.pack("<f", 2.5))
    assert Checkpoint.load(path).model["a"].tolist() == [2.5]
    assert read_state_dict(path)["a"].tolist() == [2.5]


@pytest.mark.parametrize(
    "content", [b"a text of somebody, no weights at all", b"\x89PNG\r\n\x1a\n" + bytes(20), bytes(64)]
)
def test_another_file_is_said_to_be_no_safetensors_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.safetensors is not a safetensors file"):
        Checkpoint.load(tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ("{nope", "metadata named 'landscape' that are no JSON object"),
        ("[1]", "metadata named 'landscape' that are no JSON object"),
        ("{}", "has checkpoint format None"),
        ('{"format":1}', "is no checkpoint of this package: .* no usable config, step, kind"),
        (
            '{"format":1,"config":null,"step":"x","kind":"raw","classes":null,"domains":[],"split_digest":"",'
            '"metrics":{}}',
            "no usable step, classes[.]",
        ),
        (
            '{"format":1,"config":{"nonsense":1},"step":1,"kind":"raw","classes":[],"domains":[],"split_digest":"",'
            '"metrics":{}}',
            r"a\.safetensors: the stored configuration has unknown settings",
        ),
    ],
)
def test_metadata_of_a_stranger_are_one_sentence(tmp_path: Path, metadata: str, message: str) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors", metadata={"landscape": metadata})
    with pytest.raises(InputError, match=message):
        Checkpoint.load(tmp_path / "a.safetensors")


@pytest.mark.parametrize("keep", [0, 4, 8, 100, 0.5, 0.99])
def test_a_truncated_checkpoint_is_one_sentence(tmp_path: Path, keep: float) -> None:
    path = checkpoint(network()).save(tmp_path / "step-000160.safetensors")
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if isinstance(keep, float) else keep])
    with pytest.raises(
        InputError, match=r"step-000160\.safetensors is damaged.* delete that file's run folder and train"
    ):
        Checkpoint.load(path)


def test_the_header_alone_says_the_step(tmp_path: Path) -> None:
    path = save_tensors(tmp_path / "state.safetensors", {"a": torch.ones(3)}, {"step": 7})
    assert load_about(path) == load_tensors(path)[1] == {"step": 7}
    save_file({"a": torch.ones(3)}, tmp_path / "bare.safetensors")
    assert load_about(tmp_path / "bare.safetensors") is None
    # Tensors behind the header are not looked at: here they are not numbers of any kind.
    damaged = path.read_bytes()
    path.write_bytes(damaged[:-12] + b"\xff" * 12)
    assert load_about(path) == {"step": 7}
    path.write_bytes(damaged[:-1])
    with pytest.raises(InputError, match="damaged or cut off"):
        load_about(path)


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


class Unusual(nn.Module):
    """A buffer that no state dict holds, and a parameter with two names."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(2, 2)
        self.second = self.first
        self.register_buffer("index", torch.arange(2), persistent=False)


def test_a_state_dict_fits_the_network_that_made_it() -> None:
    source, target = Unusual(), Unusual()
    Checkpoint(model=source.state_dict()).load_into(target)
    assert torch.equal(target.first.weight, source.first.weight)
    # Plain weights take the buffers of the network beside them: those are nothing foreign either.
    everything = {**source.state_dict(), **dict(source.named_buffers())}
    weights = Checkpoint(model=everything).weights(target)
    assert list(weights) == ["first.weight", "first.bias"]


def test_another_architecture_is_named_by_its_first_tensor(tmp_path: Path) -> None:
    loaded = checkpoint(network())
    with pytest.raises(InputError, match=r"0\.bias has shape \(4,\), expected \(5,\)"):
        loaded.weights(nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5)))
    with pytest.raises(InputError, match=r"lacks 2\.weight"):
        loaded.weights(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(1, 1)))
    with pytest.raises(InputError, match=r"has 1\.bias|has 1\.\w+, which the network lacks"):
        loaded.weights(nn.Sequential(nn.Conv2d(3, 4, 3)))
