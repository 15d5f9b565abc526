import pickle
import socket
from urllib.error import URLError

import pytest
import torch
from safetensors.torch import save_file

from landscape.checkpoint import Checkpoint
from landscape.errors import InputError
from landscape.models import build_network
from landscape.models import pretrained as pretrained_module


def small(weights="none", classes=3):
    return build_network("small_cnn", num_classes=classes, weights=str(weights))


def backbone_equal(a, b):
    first, second = a.featurizer.backbone.state_dict(), b.featurizer.backbone.state_dict()
    return all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture
def source():
    network = small(classes=5)
    for buffer in network.buffers():
        buffer.add_(1)
    return network


def test_lite0_needs_no_network(monkeypatch):
    def refuse(*args, **options):
        raise AssertionError("opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    network = build_network("efficientnet_lite0", num_classes=3)
    assert network.batch_norm == "frozen"


def test_backbone_from_safetensors_of_the_backbone(source, tmp_path):
    path = tmp_path / "backbone.safetensors"
    save_file(source.featurizer.backbone.state_dict(), path)
    loaded = small(path)
    assert backbone_equal(loaded, source)
    assert loaded.batch_norm == "frozen"


def test_backbone_from_a_checkpoint_with_another_number_of_classes(source, tmp_path):
    path = Checkpoint(model=source.state_dict()).save(tmp_path / "step-000001.safetensors")
    assert backbone_equal(small(path), source)


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"epoch": 3, "state_dict": s}, lambda s: {"model_dict": s}])
@pytest.mark.parametrize("prefix", ["", "module.", "network.0.network."])
def test_backbone_from_torch_save(source, tmp_path, wrap, prefix):
    path = tmp_path / "weights.pth"
    state = {prefix + name: t for name, t in source.featurizer.backbone.state_dict().items()}
    torch.save(wrap(state | {"fc.weight": torch.zeros(2, 2)}), path)
    assert backbone_equal(small(path), source)


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize("save", [torch.save, lambda content, path: path.write_bytes(pickle.dumps(content))])
def test_a_pickle_with_code_is_refused_and_not_run(tmp_path, save):
    trap, path = tmp_path / "executed", tmp_path / "weights.pth"
    save({"weight": Bomb(str(trap))}, path)
    with pytest.raises(InputError, match=r"more than tensors.*safetensors"):
        small(path)
    assert not trap.exists()


def test_unusable_files(source, tmp_path):
    with pytest.raises(InputError, match="neither 'imagenet' nor 'none' nor a file"):
        small(tmp_path / "missing.safetensors")
    cut = tmp_path / "cut.pth"
    torch.save(source.state_dict(), cut)
    cut.write_bytes(cut.read_bytes()[:5000])
    with pytest.raises(InputError, match="damaged"):
        small(cut)
    number = tmp_path / "number.pth"
    torch.save(3, number)
    with pytest.raises(InputError, match="holds no state dict"):
        small(number)


def test_weights_that_do_not_fit(source, tmp_path):
    state = source.featurizer.backbone.state_dict()
    path = tmp_path / "weights.safetensors"
    lacking = {name: t for name, t in state.items() if not name.startswith("stage3.0")}
    save_file(lacking, path)
    with pytest.raises(InputError, match=r"lacks stage3\.0\.weight \(1 of 24 tensors"):
        small(path)
    save_file(state | {"stage3.0.weight": torch.zeros(1)}, path)
    with pytest.raises(InputError, match=r"stage3\.0\.weight has shape \(1,\), expected \(64, 64, 3, 3\)"):
        small(path)


def test_no_network_is_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))

    def no_network(url, **options):
        assert socket.getdefaulttimeout() == pretrained_module.CONNECT_SECONDS
        raise URLError("no route to host")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", no_network)
    with pytest.raises(InputError, match=r"weights of resnet18 are not on this machine.*no route to host.*lite0"):
        build_network("resnet18", num_classes=3)
    assert socket.getdefaulttimeout() is None


def test_torch_hubs_cache_is_used(monkeypatch, tmp_path):
    import torchvision

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    stored = torchvision.models.resnet18(weights=None)
    (tmp_path / "checkpoints").mkdir()
    torch.save(stored.state_dict(), tmp_path / "checkpoints" / "resnet18-f37072fd.pth")
    network = build_network("resnet18", num_classes=3)
    stored.fc = torch.nn.Identity()
    assert all(torch.equal(t, stored.state_dict()[n]) for n, t in network.featurizer.backbone.state_dict().items())


def test_timm_without_network_fails_at_once(monkeypatch):
    import huggingface_hub

    def no_network(url, **options):
        raise ConnectionError("name or service not known")

    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", no_network)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *a, **k: None)
    with pytest.raises(InputError, match=r"weights of timm:resnet10t.*name or service not known.*--weights none"):
        build_network("timm:resnet10t", num_classes=3)
