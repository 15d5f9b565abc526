import copy

import pytest
import timm
import torch
import torch.nn.functional as F
from torch import nn

from landscape.errors import InputError
from landscape.evaluation import Folded
from landscape.evaluation.folding import find_pairs
from landscape.models import build_network


def randomise(network, seed=0):
    """Random affine weights and running statistics: those of a new network would hide mistakes."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            shape = module.running_mean.shape
            module.running_mean.copy_(torch.randn(shape, generator=generator) * 0.3)
            module.running_var.copy_(torch.rand(shape, generator=generator) + 0.5)
            if module.affine:
                module.weight.data.copy_(torch.rand(shape, generator=generator) + 0.5)
                module.bias.data.copy_(torch.randn(shape, generator=generator) * 0.3)
    return network


def images(side=32, seed=1):
    return torch.randn(2, 3, side, side, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("name", "side", "folded", "norms"),
    [
        ("small_cnn", 32, 4, 4),
        ("efficientnet_lite0", 64, 49, 49),
        ("resnet18", 64, 20, 20),
        ("densenet121", 32, 59, 121),  # the other 62 stand before their convolution
    ],
)
def test_folded_equals_unfolded_in_float64(name, side, folded, norms):
    network = randomise(build_network(name, num_classes=4, weights="none", batch_norm="frozen")).double().eval()
    assert sum(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in network.modules()) == norms
    with torch.no_grad():
        expected = network(images(side))
        fold, note = Folded.of(copy.deepcopy(network), images(side))
        assert note == ""
        assert len(fold.pairs) == folded
        torch.testing.assert_close(fold.network(images(side)), expected, rtol=1e-9, atol=1e-10)

        # Another point of weight space, with other running statistics.
        elsewhere = randomise(copy.deepcopy(network), seed=5)
        for parameter in elsewhere.parameters():
            parameter.add_(0.01 * torch.randn_like(parameter))
        storage = [p.data_ptr() for p in fold.network.parameters()]
        fold.load(dict(elsewhere.named_parameters()), dict(elsewhere.named_buffers()))
        torch.testing.assert_close(fold.network(images(side)), elsewhere(images(side)), rtol=1e-9, atol=1e-10)
        assert [p.data_ptr() for p in fold.network.parameters()] == storage

        # And back.
        fold.load()
        torch.testing.assert_close(fold.network(images(side)), expected, rtol=1e-9, atol=1e-10)


class Tangle(nn.Module):
    """One convolution and batch norm of every kind that must, or must not, be folded."""

    def __init__(self):
        super().__init__()
        self.plain = nn.Sequential(nn.Conv2d(3, 4, 3, bias=True), nn.BatchNorm2d(4, affine=False))
        self.skipped, self.skipped_norm = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)
        self.changed, self.changed_norm = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)
        self.twice, self.norm1, self.norm2 = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.BatchNorm2d(4)
        self.tied1, self.tied2 = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)
        self.tied2.weight = self.tied1.weight
        self.tied_norm1, self.tied_norm2 = nn.BatchNorm2d(4), nn.BatchNorm2d(4)
        self.grouped, self.grouped_norm = nn.Conv2d(4, 4, 3, groups=4, stride=2), nn.BatchNorm2d(4)
        self.after_relu, self.after_relu_norm = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)

    def forward(self, x):
        x = self.plain(x)
        y = self.skipped(x)
        x = self.skipped_norm(y) + y
        x = self.changed_norm(self.changed(x).mul_(2))
        x = self.norm2(self.twice(self.norm1(self.twice(x))))
        x = self.tied_norm2(self.tied2(self.tied_norm1(self.tied1(x))))
        x = self.grouped_norm(self.grouped(x))
        return self.after_relu_norm(F.relu(self.after_relu(x))).mean((2, 3))


def test_only_what_is_exact_is_folded():
    network = randomise(Tangle()).double().eval()
    pairs, output = find_pairs(network, images())
    assert pairs == (("plain.0", "plain.1"), ("grouped", "grouped_norm"))
    fold, note = Folded.of(copy.deepcopy(network), images())
    assert (len(fold.pairs), note) == (2, "")
    torch.testing.assert_close(fold.network(images()), output, rtol=1e-9, atol=1e-12)


def test_finding_pairs_leaves_the_network_alone():
    network = randomise(Tangle()).double().eval()
    before = copy.deepcopy(network.state_dict())
    find_pairs(network, images())
    assert all(torch.equal(t, before[name]) for name, t in network.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())


def test_batch_norm_that_trains_or_keeps_no_statistics_is_not_folded():
    network = nn.Sequential(
        nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4, track_running_stats=False), nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)
    ).double()
    assert find_pairs(network.eval(), images())[0] == (("2", "3"),)
    assert find_pairs(network.train(), images())[0] == ()


class Standardised(nn.Conv2d):
    """Standardises its weight on every call, so that a scaled weight has no effect."""

    def forward(self, x):
        weight = (self.weight - self.weight.mean()) / self.weight.std()
        return self._conv_forward(x, weight, self.bias)


def test_a_network_that_cannot_be_folded_runs_unfolded_with_a_note():
    network = randomise(nn.Sequential(Standardised(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten())).double().eval()
    fold, note = Folded.of(copy.deepcopy(network), images())
    assert fold.pairs == ()
    assert "differs by" in note
    torch.testing.assert_close(fold.network(images()), network(images()))


class OnlyFloat32(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, x):
        return self.norm(self.conv(x.float())).flatten(1)


def test_a_network_that_fails_in_float64_runs_unfolded_with_a_note():
    network = randomise(OnlyFloat32()).eval()
    fold, note = Folded.of(copy.deepcopy(network), images().float())
    assert fold.pairs == ()
    assert "float64 check failed" in note
    torch.testing.assert_close(fold.network(images()), network(images()))


def test_timms_activation_inside_batch_norm_is_kept():
    network = randomise(timm.create_model("mobilenetv3_small_050", num_classes=3)).double().eval()
    fold, note = Folded.of(copy.deepcopy(network), images(64))
    assert note == ""
    assert len(fold.pairs) == sum(isinstance(m, nn.BatchNorm2d) for m in network.modules())
    torch.testing.assert_close(fold.network(images(64)), network(images(64)), rtol=1e-9, atol=1e-10)


def test_memory_layout_and_dtype_of_the_network_are_kept():
    network = build_network("small_cnn", num_classes=3, weights="none", batch_norm="frozen").eval()
    network.to(memory_format=torch.channels_last)
    fold, _ = Folded.of(network, images().float())
    fold.load({name: p.detach().double().contiguous() + 0.5 for name, p in fold_parameters().items()})
    weight = fold.network.featurizer.backbone.stage1[0].weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert {p.dtype for p in fold.network.parameters()} == {torch.float32}


def fold_parameters():
    return dict(build_network("small_cnn", num_classes=3, weights="none").named_parameters())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda w: w.pop("classifier.bias"), "lack 'classifier.bias'"),
        (lambda w: w.update({"module.weight": torch.zeros(1)}), "have 'module.weight', which the network lacks"),
        (lambda w: w.update({"classifier.bias": torch.zeros(4)}), r"have shape \(4,\) for 'classifier.bias'"),
    ],
)
def test_weights_that_do_not_fit(change, sentence):
    network = build_network("small_cnn", num_classes=3, weights="none").eval()
    weights = {name: p.detach().clone() for name, p in network.named_parameters()}
    fold, _ = Folded.of(network, images().float())
    change(weights)
    with pytest.raises(InputError, match=sentence):
        fold.load(weights)
    with pytest.raises(InputError, match="no buffer 'nonsense'"):
        fold.load(None, {"nonsense": torch.zeros(1)})
