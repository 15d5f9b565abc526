"""State dicts of plain networks under the names of ours."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision.models import densenet121, resnet18

from landscape.checkpoint import Checkpoint
from landscape.errors import InputError
from landscape.models import Network, build_network
from landscape.models.renaming import fit_names
from landscape.seeding import torch_seed


def plain(make=resnet18, classes=3):
    with torch_seed(1, "model"):
        network = make(num_classes=classes, weights=None)
    for name, buffer in network.named_buffers():
        if "running" in name:
            buffer += 0.25
    return network.eval()


@pytest.fixture(scope="module")
def ours():
    return build_network("resnet18", num_classes=3, weights="none")


@pytest.mark.parametrize(("name", "make"), [("resnet18", resnet18), ("densenet121", densenet121)])
def test_a_plain_network_of_torchvision_computes_the_same_under_our_names(tmp_path, name, make):
    theirs, network = plain(make), build_network(name, num_classes=3, weights="none")
    save_file(theirs.state_dict(), tmp_path / "plain.safetensors")
    tensors, note = fit_names(Checkpoint.load(tmp_path / "plain.safetensors").model, network, "plain.safetensors")
    Checkpoint(model=tensors).load_into(network)
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(network.eval()(images), theirs(images))
    assert note.startswith("plain.safetensors: renamed its tensors")
    assert note.endswith("fc.bias as classifier.bias)" if name == "resnet18" else "classifier.bias as classifier.bias)")


def test_fitting_names_stay_what_they_are(ours):
    state = ours.state_dict()
    tensors, note = fit_names(state, ours, "it")
    assert note == ""
    assert all(tensors[name] is state[name] for name in state)
    parameters = dict(ours.named_parameters())
    assert fit_names(parameters, ours, "it", buffers=False)[1] == ""
    with pytest.raises(InputError, match=r"it lacks featurizer\.backbone\.bn1\.running_mean"):
        fit_names(parameters, ours, "it")


@pytest.mark.parametrize("head", ["fc.", "classifier.", "head.", "head.fc."])
def test_the_classifier_goes_by_several_names(ours, head):
    state = {name.replace("fc.", head): t for name, t in plain().state_dict().items() if "tracked" not in name}
    tensors, note = fit_names(state, ours, "it")
    assert torch.equal(tensors["classifier.weight"], state[f"{head}weight"])
    assert note


def test_another_number_of_classes_is_named(ours):
    with pytest.raises(
        InputError, match=r"fc\.weight \(there classifier\.weight\) has shape \(7, 512\), expected \(3,"
    ):
        fit_names(plain(classes=7).state_dict(), ours, "it")


@pytest.mark.parametrize("change", ["lacks one", "has one more", "other names", "none"])
def test_what_does_not_fit_is_told_the_expected_names(ours, change):
    state = dict(plain().state_dict())
    if change == "lacks one":
        del state["layer1.0.conv1.weight"]
    elif change == "has one more":
        state["layer9.weight"] = torch.zeros(1)
    else:
        state = {f"x{name}": t for name, t in state.items()} if change == "other names" else {}
    with pytest.raises(
        InputError,
        match=r"it does not fit the network: it lacks .*names featurizer\.backbone\.conv1\.weight \.\.\. clas",
    ):
        fit_names(state, ours, "it")


class Twins(nn.Module):
    """Two backbones of the same layers."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(2, 2), nn.Linear(2, 2)


def test_nothing_is_guessed_where_two_places_would_do():
    state = {name: torch.zeros(2, 2) if "weight" in name else torch.zeros(2) for name in ("weight", "bias")}
    state |= {f"fc.{name}": tensor for name, tensor in state.items()}
    one = Network(nn.Linear(2, 2), nn.Linear(2, 2), feature_dim=2, num_classes=2)
    assert fit_names(state, one, "it")[0].keys() == one.state_dict().keys()
    two = Network(Twins(), nn.Linear(2, 2), feature_dim=2, num_classes=2)
    with pytest.raises(InputError, match=r"it lacks featurizer\.first\.weight"):
        fit_names(state, two, "it")
