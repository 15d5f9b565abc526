import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from landscape.errors import InputError
from landscape.models import Network, build_network, resolve_batch_norm
from landscape.seeding import torch_seed


def small(**options):
    with torch_seed(0, "model"):
        return build_network("small_cnn", num_classes=3, **{"weights": "none", **options})


def statistics(network):
    return {name: b.clone() for name, b in network.named_buffers() if "running" in name or "tracked" in name}


def one_step(network):
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    F.cross_entropy(network(torch.randn(8, 3, 32, 32)), torch.arange(8) % 3).backward()
    optimizer.step()


def test_frozen_batch_norm_keeps_statistics_and_trains_affine_weights():
    network = small(batch_norm="frozen")
    network.train()
    before, statistics_before = copy.deepcopy(network.state_dict()), statistics(network)
    one_step(network)
    for name, value in statistics(network).items():
        assert torch.equal(value, statistics_before[name]), name
    for name, _ in network.named_parameters():
        assert not torch.equal(network.state_dict()[name], before[name]), name


def test_trained_batch_norm_moves_its_statistics():
    network = small(batch_norm="train")
    before = statistics(network)
    network.train()
    one_step(network)
    assert all(not torch.equal(value, before[name]) for name, value in statistics(network).items())


def test_train_and_eval_keep_frozen_batch_norm_in_evaluation_mode():
    network = small(batch_norm="frozen", dropout=0.5)
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms
    for mode in (True, False, True):
        assert network.train(mode) is network
        assert network.training is mode
        assert network.featurizer.dropout.training is mode
        assert not any(norm.training for norm in norms)


@pytest.mark.parametrize(
    ("policy", "weights", "expected"),
    [
        ("auto", "imagenet", "frozen"),
        ("auto", "some/file.safetensors", "frozen"),
        ("auto", "none", "train"),
        ("train", "imagenet", "train"),
        ("frozen", "none", "frozen"),
    ],
)
def test_batch_norm_policy(policy, weights, expected):
    assert resolve_batch_norm(policy, weights) == expected


def test_unknown_batch_norm_policy():
    with pytest.raises(InputError, match="Did you mean 'frozen'"):
        resolve_batch_norm("froze", "imagenet")


def test_dropout_belongs_to_the_featurizer():
    network = small(dropout=0.5).train()
    codes = network.featurizer(torch.rand(4, 3, 32, 32))
    assert (codes == 0).float().mean() > 0.2
    network.eval()
    images = torch.rand(4, 3, 32, 32)
    torch.testing.assert_close(network(images), network.classifier(network.featurizer(images)))


def test_same_seed_same_network():
    first, second = small().state_dict(), small().state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_check_passes_and_leaves_the_modes_alone():
    network = small(batch_norm="train").train()
    network.featurizer.backbone.stem.eval()
    modes = [m.training for m in network.modules()]
    before = copy.deepcopy(network.state_dict())
    network.check(torch.rand(2, 3, 32, 32))
    assert [m.training for m in network.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize(
    ("classifier", "sentence"),
    [
        (nn.Linear(64, 4), r"logits of shape \(2, 4\); expected \(2, 3\)"),
        (nn.Linear(32, 3), "fails on images of 3 x 32 x 32"),
        (nn.LSTM(64, 3), "returns a tuple as logits"),
    ],
)
def test_check_names_what_is_wrong(classifier, sentence):
    featurizer = small().featurizer
    network = Network(featurizer, classifier, feature_dim=64, num_classes=3, name="mine")
    with pytest.raises(InputError, match=sentence):
        network.check(torch.rand(2, 3, 32, 32))


def test_check_finds_a_wrong_feature_dim():
    network = Network(small().featurizer, nn.Linear(64, 3), feature_dim=65, num_classes=3)
    with pytest.raises(InputError, match="latent codes of shape"):
        network.check(torch.rand(2, 3, 32, 32))
