import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

from landscape.errors import InputError
from landscape.evaluation import Evaluator
from landscape.evaluation.folding import Folded
from landscape.models import build_network
from landscape.models.selfnorm import GATE, SelfNorm, add_selfnorm
from landscape.seeding import torch_seed

MODELS = ["small_cnn", "resnet18", "resnet50", "densenet121", "efficientnet_lite0", "timm:resnet10t", "timm:resnet26"]


def build(name, **options):
    with torch_seed(0, "model"):
        return build_network(name, num_classes=3, **{"weights": "none", "batch_norm": "frozen", **options}).eval()


def of_blocks(network):
    return [module for module in network.modules() if isinstance(module, SelfNorm)]


def randomised(network):
    """Gates that depend on their input, with batch norm that does something."""
    generator = torch.Generator().manual_seed(1)
    for block in of_blocks(network):
        for tensor in (*block.parameters(), *(b for name, b in block.named_buffers() if "running" in name)):
            with torch.no_grad():
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.2)
    return network


def hand_made(*, two_gates=False):
    """Two channels of 1 x 2 pixels: means 2 and 0, deviations sqrt(2) and 2 sqrt(2)."""
    layer = SelfNorm(2, two_gates=two_gates).double().eval()
    maps = torch.tensor([[[[1.0, 3.0]], [[-2.0, 2.0]]]], dtype=torch.float64)
    with torch.no_grad():
        layer.g_fc.weight.copy_(torch.tensor([[[0.5, 0.25]], [[1.0, -0.5]]]))
        layer.g_bn.bias.copy_(torch.tensor([0.0, 1.0]))
        layer.g_bn.weight.copy_(torch.tensor([1.0, 2.0]))
        layer.g_bn.running_mean.copy_(torch.tensor([0.5, 0.0]))
    return layer, maps


def sigmoid(z):
    return 1 / (1 + math.exp(-z))


def test_one_gate_by_hand():
    layer, maps = hand_made()
    root = math.sqrt(2)
    # BN divides by sqrt(1 + 1e-5).
    first = sigmoid((0.5 * 2 + 0.25 * root - 0.5) / math.sqrt(1 + 1e-5))
    second = sigmoid(2 * (-0.5 * 2 * root) / math.sqrt(1 + 1e-5) + 1)
    expected = torch.tensor([[[[first, 3 * first]], [[-2 * second, 2 * second]]]], dtype=torch.float64)
    torch.testing.assert_close(layer(maps), expected, rtol=1e-12, atol=1e-12)


def test_two_gates_by_hand():
    layer, maps = hand_made(two_gates=True)
    one, _ = hand_made()
    with torch.no_grad():
        layer.f_bn.bias.copy_(torch.tensor([math.log(3), 0.0], dtype=torch.float64))  # f = 3/4 and 1/2
    g = one(maps)[0, 0, 0, 0]  # the first channel's gate: its first pixel is 1
    got = layer(maps)
    # The mean becomes f 2, the deviation g sqrt(2); the second channel's mean is 0.
    torch.testing.assert_close(got[0, 0, 0], torch.stack((1.5 - g, 1.5 + g)), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(got[0, 1], one(maps)[0, 1], rtol=1e-12, atol=1e-12)


def test_mean_and_deviation_are_multiplied_by_their_gates():
    layer = SelfNorm(5, two_gates=True, published=True).double().train()
    maps = torch.randn(4, 5, 3, 3, dtype=torch.float64) + 1
    got = layer(maps)
    f, g = got.mean((2, 3)) / maps.mean((2, 3)), got.std((2, 3)) / maps.std((2, 3))
    assert bool(((f > 0) & (f < 1) & (g > 0) & (g < 1)).all())
    # In training the gates' inputs are normalised over the batch.
    torch.testing.assert_close(torch.logit(g).mean(0), torch.zeros(5).double(), rtol=0, atol=1e-9)


def test_a_single_pixel_has_no_deviation():
    layer = SelfNorm(3, published=True)
    maps = torch.randn(4, 3, 1, 1, requires_grad=True)
    layer(maps).sum().backward()
    assert bool(maps.grad.isfinite().all())
    assert bool(layer(maps).isfinite().all())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_keeps_its_type(dtype):
    maps = torch.ones(2, 3, 4, 4, dtype=dtype).to(memory_format=torch.channels_last)
    got = SelfNorm(3, two_gates=True)(maps)
    assert got.dtype == dtype
    assert got.is_contiguous(memory_format=torch.channels_last)
    assert bool(got.isfinite().all())


def test_gradients_in_float64():
    layer = randomised(nn.Sequential(SelfNorm(2, two_gates=True))).double().eval()
    maps = torch.randn(2, 2, 2, 3, dtype=torch.float64, requires_grad=True)
    torch.autograd.gradcheck(layer, (maps,))


@pytest.mark.parametrize(
    ("name", "count"),
    [("small_cnn", 3), ("resnet18", 8), ("resnet50", 16), ("densenet121", 58), ("efficientnet_lite0", 16),
     ("timm:resnet10t", 4), ("timm:resnet26", 8), ("timm:mobilenetv3_small_050", 11)],
)  # fmt: skip
def test_every_block_has_one(name, count):
    plain, extended = build(name), build(f"{name}+selfnorm")
    assert len(of_blocks(extended)) == count
    assert (extended.name, extended.stages) == (f"{name}+selfnorm", plain.stages)
    state = extended.state_dict()
    assert all(torch.equal(state[key], value) for key, value in plain.state_dict().items())


@pytest.mark.parametrize("name", [*MODELS, "small_cnn-two", "resnet18-two"])
def test_it_starts_as_the_plain_network(name):
    name, _, options = name.partition("-")
    weights = "imagenet" if name == "efficientnet_lite0" else "none"
    coarse = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    images = nn.functional.interpolate(coarse, size=64, mode="bilinear")
    with torch.no_grad():
        plain = build(name, weights=weights)(images)
        extended = build(f"{name}+selfnorm{'-' * bool(options)}{options}", weights=weights)(images)
    assert 0 < float((extended - plain).norm() / plain.norm()) < 0.05


@pytest.mark.parametrize("policy", ["frozen", "train"])
def test_gates_start_alike_whether_batch_norm_is_frozen_or_trained(policy):
    layer = of_blocks(build("small_cnn+selfnorm", batch_norm=policy).train())[0]
    maps = torch.rand(2, 32, 2, 2)
    assert layer.g_bn.training is (policy == "train")
    torch.testing.assert_close(layer(maps), GATE * maps, rtol=1e-5, atol=1e-6)


def test_the_published_start_is_far_from_it():
    with torch.no_grad():
        maps = of_blocks(build("small_cnn+selfnorm-published"))[0](torch.full((1, 32, 2, 2), 1e-3))
    torch.testing.assert_close(maps, torch.full_like(maps, 0.5e-3), rtol=1e-2, atol=0)


@pytest.mark.parametrize("name", ["small_cnn", "resnet18", "timm:resnet10t"])
def test_it_stands_before_the_last_relu(name):
    """A gate that is negated turns the sum's sign: the ReLU behind it still lets no negative value through."""
    network, images = build(f"{name}+selfnorm"), torch.randn(2, 3, 32, 32)
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.ones_(norm.weight)  # timm starts the last of each block with 0
    blocks, sums = of_blocks(network), []
    handles = [b.register_forward_hook(lambda m, i, out: (sums.append(i[0]), -out)[1]) for b in blocks]
    with torch.no_grad():
        _, maps = network.features(images, network.stages[1:])
    for handle in handles:
        handle.remove()
    assert len(sums) == len(blocks)
    assert all(bool((s < 0).any()) for s in sums)  # so no ReLU comes before it
    assert all(bool((out >= 0).all()) and bool((out > 0).any()) for out in maps.values())


def test_of_mbconv_it_is_the_output():
    network = build("efficientnet_lite0+selfnorm")
    block = network.featurizer.backbone.blocks[1][1]  # one with a residual sum
    plain = build("efficientnet_lite0").featurizer.backbone.blocks[1][1]
    assert plain.has_skip
    maps = torch.randn(2, 24, 8, 8)
    torch.testing.assert_close(block(maps), GATE * plain(maps))


def test_a_bottleneck_by_torchvisions_own():
    block = build("resnet50+selfnorm").featurizer.backbone.layer2[0]
    plain = build("resnet50").featurizer.backbone.layer2[0]
    maps = torch.randn(2, 256, 8, 8)
    block.selfnorm = nn.Identity()
    assert torch.equal(block(maps), plain(maps))


def test_a_copy_uses_its_own_layers():
    network = build("efficientnet_lite0+selfnorm")
    twin, images = copy.deepcopy(network), torch.randn(2, 3, 32, 32)
    before = network(images)
    for block in of_blocks(network):
        nn.init.zeros_(block.g_bn.bias)
    assert torch.equal(twin(images), before)
    assert not torch.allclose(network(images), before)


@pytest.mark.parametrize("name", ["small_cnn", "resnet18", "efficientnet_lite0"])
def test_folding_agrees_with_the_plain_forward_pass(name):
    network = randomised(build(f"{name}+selfnorm-two"))
    images = torch.randn(4, 3, 32, 32)
    folded, why = Folded.of(copy.deepcopy(network), images)
    assert why == ""
    pairs = dict(folded.pairs)
    gates = [name for name in pairs if name.endswith(("g_fc", "f_fc"))]
    assert len(gates) == 2 * len(of_blocks(network))
    with torch.no_grad():
        torch.testing.assert_close(folded.network(images), network(images), rtol=1e-4, atol=1e-4)


def test_an_evaluator_agrees_with_the_plain_forward_pass():
    network = randomised(build("small_cnn+selfnorm"))
    pixels = torch.randint(0, 256, (6, 28, 28, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    evaluator = Evaluator(network, pixels.numpy(), np.arange(6) % 3, precision="fp64")
    assert not evaluator.notes
    images = (pixels.permute(0, 3, 1, 2) / 255.0).double()
    mean, std = (torch.tensor(values, dtype=torch.float64)[:, None, None] for values in (network.mean, network.std))
    with torch.no_grad():
        logits = network.double()((images - mean) / std)
        losses = nn.functional.cross_entropy(logits, torch.arange(6) % 3, reduction="none")
    torch.testing.assert_close(torch.as_tensor(evaluator.at().loss), losses, rtol=1e-6, atol=1e-6)


def test_a_network_without_such_blocks_says_so():
    with pytest.raises(InputError, match=r"selfnorm goes into the blocks of ResNets.*mine has none of these"):
        add_selfnorm(nn.Linear(2, 2), (), "mine")
    with pytest.raises(InputError, match="timm:convnext_atto has none of these"):
        build("timm:convnext_atto+selfnorm")
