import copy
import sys
import textwrap

import pytest
import torch
from safetensors.torch import save_file

from landscape.errors import InputError
from landscape.models import build_network

SOURCE = """
    import torch
    from torch import nn

    class Split(nn.Module):
        mean, std = (0.5, 0.4, 0.3), (0.25, 0.25, 0.2)

        def __init__(self, k):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(1))
            self.featurizer = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6),
                                            nn.AdaptiveAvgPool2d(1), nn.Flatten())
            self.classifier = nn.Linear(6, k)

        def forward(self, x):
            return self.classifier(self.featurizer(x))

    class Scaled(Split):
        def forward(self, x):
            return 2 * super().forward(x)

    def whole(num_classes):
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                             nn.Linear(4, num_classes))

    def inner(num_classes):
        from landscape.models import build_network
        return build_network("small_cnn", num_classes=num_classes, weights="none")

    def trained(num_classes):
        network = whole(num_classes)
        network[1].running_var *= 2
        return network

    def half_trained(num_classes):
        return nn.Sequential(whole(4)[:2], nn.Conv2d(4, 4, 3), trained(num_classes)[1:])

    def without_norm(num_classes):
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, num_classes))

    def too_many(num_classes):
        return whole(num_classes + 1)

    def no_module(num_classes):
        return [1, 2]

    def two_arguments(num_classes, width):
        return whole(num_classes)

    constant = 3
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    (tmp_path / "my_networks.py").write_text(textwrap.dedent(SOURCE))
    (tmp_path / "my_broken.py").write_text("import does_not_exist_anywhere\n")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in ("my_networks", "my_broken"):
        sys.modules.pop(name, None)


def test_split_network_is_used_as_it_is():
    path = list(sys.path)
    network = build_network("my_networks:Split", num_classes=5)
    assert sys.path == path
    assert network.split
    assert (network.feature_dim, network.num_classes) == (6, 5)
    assert (network.mean, network.std) == ((0.5, 0.4, 0.3), (0.25, 0.25, 0.2))
    network.split_required("FGMix")
    network.check(torch.rand(2, 3, 16, 16))
    assert network.featurizer[1].training  # its statistics are those of an untrained network
    assert network.featurizer[0].training


def test_names_are_the_users_own():
    network = build_network("my_networks:Split", num_classes=5)
    own = sys.modules["my_networks"].Split(5)
    assert list(network.state_dict()) == list(own.state_dict())
    network.load_state_dict(own.state_dict())
    images = torch.rand(2, 3, 16, 16)
    torch.testing.assert_close(network.eval()(images), own.eval()(images))


def test_copy_conversion_and_functional_calls_stay_in_step():
    network = build_network("my_networks:Split", num_classes=5).eval()
    images = torch.rand(2, 3, 16, 16)
    expected = network(images)
    twin = copy.deepcopy(network).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    assert twin(images.double()).dtype == torch.float64
    torch.testing.assert_close(twin(images.double()).float(), expected)
    weights = {name: p.detach().float() for name, p in twin.named_parameters()}
    torch.testing.assert_close(torch.func.functional_call(network, weights, images), expected)


def test_network_without_a_split():
    network = build_network("my_networks:whole", num_classes=5)
    assert not network.split
    network.check(torch.rand(2, 3, 16, 16))
    with pytest.raises(InputError, match=r"FGMix needs latent codes, but my_networks:whole has no \.featurizer"):
        network.split_required("FGMix")
    assert network.train().own.training
    assert not build_network("my_networks:whole", num_classes=5, batch_norm="frozen").train().own[1].training


@pytest.mark.parametrize(
    ("function", "batch_norm", "expected"),
    [
        ("whole", "auto", "train"),
        ("inner", "auto", "train"),
        ("trained", "auto", "frozen"),
        ("half_trained", "auto", "frozen"),
        ("without_norm", "auto", "frozen"),
        ("whole", "frozen", "frozen"),
        ("trained", "train", "train"),
    ],
)
def test_batch_norm_is_frozen_where_its_statistics_are_of_use(function, batch_norm, expected):
    network = build_network(f"my_networks:{function}", num_classes=5, batch_norm=batch_norm)
    assert network.batch_norm == expected
    norms = [module for module in network.train().modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert all(norm.training is (expected == "train") for norm in norms)


def test_statistics_from_a_file_are_frozen(tmp_path):
    state = build_network("my_networks:whole", num_classes=5).state_dict()
    state["1.running_mean"] += 1
    save_file(state, tmp_path / "own.safetensors")
    network = build_network("my_networks:whole", num_classes=5, weights=str(tmp_path / "own.safetensors"))
    assert (network.batch_norm, network.own[1].training) == ("frozen", False)


def test_weights_from_a_file(tmp_path):
    own = build_network("my_networks:Split", num_classes=5)
    save_file(own.state_dict(), tmp_path / "own.safetensors")
    loaded = build_network("my_networks:Split", num_classes=5, weights=str(tmp_path / "own.safetensors"))
    assert all(torch.equal(loaded.state_dict()[name], t) for name, t in own.state_dict().items())


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        ("my_networkz:whole", "cannot import 'my_networkz'.*ModuleNotFoundError.*current folder"),
        ("my_broken:whole", "cannot import 'my_broken'.*does_not_exist_anywhere"),
        ("my_networks:hole", "unknown function of my_networks 'hole'.*Did you mean 'whole'"),
        ("my_networks:constant", "is a int; expected a function"),
        ("my_networks:two_arguments", "one argument, the number of classes"),
        ("my_networks:no_module", "returned a list; expected a torch.nn.Module"),
        ("my_networks:", "not of the form package.module:function"),
    ],
)
def test_errors(reference, sentence):
    with pytest.raises(InputError, match=sentence):
        build_network(reference, num_classes=3)


def test_wrong_outputs_are_found_by_a_probe():
    with pytest.raises(InputError, match=r"logits of shape \(2, 4\); expected \(2, 3\)"):
        build_network("my_networks:too_many", num_classes=3).check(torch.rand(2, 3, 16, 16))
    with pytest.raises(InputError, match=r"something else than classifier\(featurizer"):
        build_network("my_networks:Scaled", num_classes=3).check(torch.rand(2, 3, 16, 16))
