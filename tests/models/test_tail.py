import copy

import pytest
import torch
from torch import nn

from landscape.errors import InputError
from landscape.models import Network, build_network
from landscape.models.tail import Tail
from landscape.seeding import torch_seed

CASES = [
    ("small_cnn", 28),
    ("resnet18", 32),
    ("resnet50", 32),
    ("densenet121", 32),
    ("efficientnet_lite0", 32),
    ("resnet18+selfnorm", 32),
    ("timm:resnet10t", 32),
    ("timm:mobilenetv3_small_050", 32),
    ("timm:convnext_atto", 32),
    ("timm:test_vit4", 160),  # it has a class token and position embeddings, and asks its patches for their number
]


def build(name, **options):
    with torch_seed(0, "model"):
        return build_network(name, num_classes=3, **{"weights": "none", **options}).eval()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("name", "side"), CASES)
def test_a_tail_of_the_features_is_the_code(name, side, dtype):
    network = build(name).to(dtype)
    images = torch.rand(2, 3, side, side, dtype=dtype)
    with torch.no_grad():
        stages = network.stages[::2]
        codes, maps = network.features(images, stages)
        for stage in stages:
            tail = network.tail(stage, image_size=side)
            assert torch.equal(tail(maps[stage]), codes), stage
            assert sum(p.numel() for p in tail.parameters()) < sum(p.numel() for p in network.featurizer.parameters())


def test_a_tail_takes_maps_of_other_sizes_and_leaves_the_network_alone():
    network = build("resnet18")
    before = copy.deepcopy(network.state_dict())
    random = torch.get_rng_state()
    tail = network.train().tail("stage2", image_size=64)
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(module.training for module in (*network.modules(), *tail.modules()))
    network.eval(), tail.eval()
    codes, maps = network.features(torch.rand(2, 3, 96, 96), ["stage2"])
    assert torch.equal(tail(maps["stage2"]), codes)


def test_its_parameters_are_copies_of_those_behind_the_stage():
    network = build("resnet18")
    tail = network.tail("stage2")
    expected = {n: p for n, p in network.featurizer.named_parameters() if "layer3" in n or "layer4" in n}
    got = dict(tail.featurizer.named_parameters())
    assert list(got) == list(expected)
    assert all(torch.equal(got[name], p) and got[name] is not p for name, p in expected.items())
    tail(torch.rand(2, 128, 4, 4)).sum().backward()
    assert all(p.grad is not None for p in got.values())
    assert all(p.grad is None for p in network.parameters())
    twin = copy.deepcopy(tail).double()
    assert twin(torch.rand(2, 128, 4, 4).double()).dtype == torch.float64
    twin.load_state_dict(tail.state_dict())


def test_every_parameter_of_a_transformers_tail_gets_a_gradient():
    network = build("timm:test_vit4")
    tail = network.tail("stage2", image_size=160)
    _, maps = network.features(torch.rand(2, 3, 160, 160), ["stage2"])
    tail(maps["stage2"].detach()).square().sum().backward()
    names = [name for name, _ in tail.named_parameters()]
    assert names
    assert not any("pos_embed" in name or "cls_token" in name or "blocks.3." in name for name in names)
    assert all(p.grad is not None for p in tail.parameters())


def test_in_a_network_of_its_own_frozen_batch_norm_stays_frozen():
    network = build("small_cnn", batch_norm="frozen", dropout=0.5)
    style = Network(
        network.tail("stage1"), nn.Linear(64, 3), feature_dim=64, num_classes=3, batch_norm="frozen"
    ).train()
    norms = [module for module in style.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) == 2
    assert not any(norm.training for norm in norms)
    assert style.featurizer.featurizer.dropout.training
    assert style(torch.rand(2, 32, 7, 7)).shape == (2, 3)


@pytest.mark.parametrize(("stage", "expected"), [("stem", 1), ("stage1", 2), ("stage3", 4)])
def test_norms_until_a_stage(stage, expected):
    network = build("small_cnn")
    backbone = network.featurizer.backbone
    blocks = [backbone.stem, backbone.stage1, backbone.stage2, backbone.stage3][:expected]
    wanted = [parameter for block in blocks for parameter in block[1].parameters()]
    got = network.norms_until(stage, image_size=28)
    assert len(got) == len(wanted) == 2 * expected
    assert all(mine is yours for mine, yours in zip(got, wanted, strict=True))


def test_norms_until_a_stage_of_a_densenet_are_those_with_a_gradient_from_it():
    network = build("densenet121")
    _, maps = network.features(torch.rand(2, 3, 64, 64), ["stage2"])
    maps["stage2"].square().sum().backward()
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    expected = {id(p) for norm in norms for p in norm.parameters() if p.grad is not None}
    assert {id(p) for p in network.norms_until("stage2", image_size=64)} == expected


class Skipping(nn.Module):
    """A connection from before the stage to behind it: the stage's output does not say all."""

    def __init__(self, *, twice=False):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.twice = twice

    def forward(self, x):
        first = self.first(x)
        second = self.second(self.second(first) if self.twice else first)
        return (second + first).mean((2, 3))


@pytest.mark.parametrize(
    ("featurizer", "sentence"),
    [
        (Skipping(), r"the layers of mine after second cannot be had .* \(the codes differ by"),
        (Skipping(twice=True), "the stage is not called once"),
        (nn.Sequential(nn.Conv2d(3, 4, 9), nn.Flatten(), nn.Linear(4, 4)), "give an image size that the network takes"),
    ],
)
def test_what_cannot_be_cut_says_so(featurizer, sentence):
    with pytest.raises(InputError, match=sentence):
        Tail(featurizer, "second" if isinstance(featurizer, Skipping) else "0", image_size=16, name="mine")


def test_a_constant_network_has_a_tail():
    # What a layer returns beside tensors, and a layer called once inside another, are followed too.
    featurizer = nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    for parameter in featurizer.parameters():
        nn.init.zeros_(parameter)
    assert not Tail(featurizer, "0.1", image_size=8, name="mine")(torch.zeros(2, 4, 3, 3)).any()
