import copy
import sys
import textwrap

import pytest
import timm
import torch
from torch import nn

from landscape.errors import InputError
from landscape.models import build_network
from landscape.models.stages import timm_stages
from landscape.seeding import torch_seed

BUILT_IN = [("small_cnn", 28), ("resnet18", 64), ("resnet50", 64), ("densenet121", 64), ("efficientnet_lite0", 64)]
OF_TIMM = [("timm:resnet10t", 64), ("timm:mobilenetv3_small_050", 64), ("timm:convnext_atto", 64)]

SOURCE = """
    from torch import nn

    class Staged(nn.Module):
        def __init__(self, k):
            super().__init__()
            self.featurizer = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(),
                                            nn.Conv2d(6, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
            self.classifier = nn.Linear(8, k)
            self.stages = {"early": self.featurizer[2], "late": self.featurizer[3]}

        def forward(self, x):
            return self.classifier(self.featurizer(x))

    class Unusable(Staged):
        def __init__(self, k):
            super().__init__(k)
            self.stages = {"early": nn.ReLU()}

    def whole(k):
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, k))

    def whole_with_stages(k):
        network = whole(k)
        network.stages = {"only": network[0]}
        return network
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    (tmp_path / "my_stages.py").write_text(textwrap.dedent(SOURCE))
    monkeypatch.chdir(tmp_path)
    yield
    sys.modules.pop("my_stages", None)


def build(name, **options):
    with torch_seed(0, "model"):
        return build_network(name, num_classes=3, **{"weights": "none", **options}).eval()


def hooks(network):
    return [hook for m in network.modules() for hook in (*m._forward_hooks.values(), *m._forward_pre_hooks.values())]


def double(maps):
    return 2 * maps


@pytest.mark.parametrize(("name", "side"), BUILT_IN + OF_TIMM)
def test_a_stage_is_a_resolution(name, side):
    network = build(name)
    assert network.stages == ("stem", *(f"stage{k}" for k in range(1, 4 if name == "small_cnn" else 5)))
    images = torch.rand(1, 3, side, side)
    with torch.no_grad():
        codes, maps = network.features(images, network.stages)
    assert torch.equal(codes, network.featurizer(images))
    assert list(maps) == list(network.stages)
    assert not hooks(network)
    sides = [maps[stage].shape[-1] for stage in network.stages]
    # The last convolution of small_cnn keeps the resolution.
    expected = [7, 4, 4] if name == "small_cnn" else [side // 4, side // 8, side // 16, side // 32]
    assert sides[1:] == expected
    assert sides[0] in (side // 2, side // 4)


@pytest.mark.parametrize(("ours", "theirs"), [("densenet121", "densenet121"), ("resnet18", "resnet18")])
def test_torchvision_stages_are_those_of_timm(ours, theirs):
    info = timm.create_model(theirs).feature_info
    network = build(ours)
    _, maps = network.features(torch.rand(1, 3, 64, 64), network.stages[1:])
    got = [(m.shape[1], 64 // m.shape[-1]) for m in maps.values()]
    assert got == [(entry["num_chs"], entry["reduction"]) for entry in info[1:]]


def test_a_vision_transformer_has_four_groups_of_blocks():
    stages = timm_stages(timm.create_model("vit_tiny_patch16_224", depth=12))
    assert list(stages.values()) == ["patch_embed", "blocks.2", "blocks.5", "blocks.8", "blocks.11"]
    # 9 blocks: 2.25, 4.5, 6.75 and 9 of them.
    assert list(timm_stages(timm.create_model("test_vit4")).values())[1:] == [f"blocks.{k}" for k in (1, 3, 5, 8)]


def test_blocks_do_without_feature_info():
    network = nn.Module()
    network.blocks = nn.Sequential(*[nn.Identity() for _ in range(3)])
    assert timm_stages(network) == {"stage1": "blocks.0", "stage2": "blocks.1", "stage3": "blocks.2"}
    assert timm_stages(nn.Linear(1, 1)) == {}
    assert timm_stages(timm.create_model("coat_lite_tiny", embed_dims=(8, 8, 8, 8))) == {}


@pytest.mark.parametrize("stage", ["stem", "stage1", "stage2", "stage3"])
def test_between_equals_the_forward_pass_written_down(stage):
    network = build("small_cnn").double()
    images = torch.rand(2, 3, 28, 28, dtype=torch.float64)
    maps = images
    for name in ("stem", "stage1", "stage2", "stage3"):
        maps = getattr(network.featurizer.backbone, name)(maps)
        maps = maps.square() if name == stage else maps
    with network.between(stage, torch.square):
        assert len(hooks(network)) == 1
        assert torch.equal(network(images), network.classifier(maps.mean((2, 3))))
    assert not hooks(network)


def test_input_is_the_images():
    network = build("small_cnn")
    images = torch.rand(2, 3, 28, 28)
    with network.between("input", double):
        assert torch.equal(network.featurizer(images), build("small_cnn").featurizer(2 * images))
        logits = network(images)
    assert torch.equal(logits, network(2 * images))
    assert not hooks(network)


def test_functions_act_in_the_order_of_their_contexts():
    network, images = build("small_cnn"), torch.rand(2, 3, 28, 28)
    with network.between("stage1", double), network.between("stage1", lambda maps: maps + 1):
        _, maps = network.features(images, ["stage1"])
    _, plain = network.features(images, ["stage1"])
    assert torch.equal(maps["stage1"], 2 * plain["stage1"] + 1)
    assert not hooks(network)


def test_no_hook_remains_after_an_exception():
    network = build("resnet18")

    def fail(maps):
        raise RuntimeError("of the function's own")

    with (
        pytest.raises(RuntimeError, match="of the function's own"),
        network.between("input", double),
        network.between("stage1", double),
        network.between("stage2", fail),
    ):
        network(torch.rand(1, 3, 32, 32))
    assert not hooks(network)


def test_copies_compute_without_the_function():
    network, images = build("small_cnn"), torch.rand(2, 3, 28, 28)
    plain = network(images)
    with network.between("stage1", double), network.between("input", double):
        inside = copy.deepcopy(network)
        assert not torch.equal(network(images), plain)
        assert torch.equal(inside(images), plain)
    assert torch.equal(inside(images), plain)
    assert not hooks(copy.deepcopy(network))


def test_between_keeps_memory_format_and_autocast():
    network, images = build("small_cnn").to(memory_format=torch.channels_last), torch.rand(2, 3, 28, 28)
    seen = []

    def look(maps):
        seen.append((maps.dtype, maps.is_contiguous(memory_format=torch.channels_last)))
        return maps

    with network.between("stage1", look), torch.autocast("cpu", torch.bfloat16):
        network(images.to(memory_format=torch.channels_last))
    assert seen == [(torch.bfloat16, True)]


def test_gradients_reach_the_layers_before_and_the_function():
    network, images = build("small_cnn"), torch.rand(2, 3, 28, 28)
    factor = torch.ones((), requires_grad=True)
    with network.between("stage1", lambda maps: maps * factor):
        network(images).sum().backward()
    assert factor.grad is not None
    assert all(p.grad is not None for p in network.parameters())


def test_stages_of_a_network_of_ones_own():
    network, images = build("my_stages:Staged"), torch.rand(2, 3, 8, 8)
    assert network.stages == ("early", "late")
    layers = network.featurizer
    expected = layers[3:](2 * layers[:3](images.square()))
    with network.between("early", double), network.between("input", torch.square):
        codes, maps = network.features(images, ["late"])
        assert torch.equal(codes, expected)
        assert torch.equal(network(images), network.classifier(expected))
    assert maps["late"].shape == (2, 8, 4, 4)
    assert list(network.state_dict()) == list(sys.modules["my_stages"].Staged(3).state_dict())
    assert not hooks(network)


def test_a_network_without_a_split_takes_functions():
    network, images = build("my_stages:whole_with_stages"), torch.rand(2, 3, 8, 8)
    own = network.own
    expected = own[1:](2 * own[0](images.square()))
    with network.between("input", torch.square), network.between("only", double):
        assert torch.equal(network(images), expected)
    with pytest.raises(InputError, match="reading features needs latent codes"):
        network.features(images, ["only"])
    assert not hooks(network)
    assert not hooks(own)


@pytest.mark.parametrize("name", ["my_stages:whole", "my_stages:Unusable"])
def test_a_network_without_stages_says_so(name):
    network = build(name)
    assert network.stages == ()
    network.stages_required("MixStyle", ["input"])
    with pytest.raises(InputError, match=rf"MixStyle needs named stages, but {name} has none.*stages = \{{'stage1'"):
        network.stages_required("MixStyle", ["stage1"])
    with pytest.raises(InputError, match="needs named stages"):
        network.between("stage1", double)


def test_an_unknown_stage_is_named():
    network = build("small_cnn")
    with pytest.raises(InputError, match="unknown stage of small_cnn 'stage4'; expected one of: stem, stage1"):
        network.stages_required("MixStyle", ["stage1", "stage4"])


def test_a_stage_has_to_return_a_tensor():
    network = build("my_stages:Staged")
    network.featurizer[2] = nn.LSTM(8, 8)
    network._stages["rnn"] = "featurizer.2"
    with network.between("rnn", double), pytest.raises(InputError, match="LSTM returns a tuple; a stage returns"):
        network.featurizer[2](torch.rand(2, 8))
    network._stages["aside"] = "classifier"
    network.featurizer[2] = nn.ReLU()
    with pytest.raises(InputError, match="does not reach its aside"):
        network.features(torch.rand(2, 3, 8, 8), ["aside"])
    with pytest.raises(InputError, match="aside of my_stages:Staged is no part of its featurizer"):
        network.tail("aside")
