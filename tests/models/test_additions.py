import hashlib

import pytest
import torch
from safetensors.torch import save_file

from landscape.checkpoint import Checkpoint
from landscape.errors import InputError
from landscape.models import build_network
from landscape.models.additions import parse_additions
from landscape.seeding import torch_seed

# Of the networks before there were stages and additions: a digest of names and shapes, and the sum over all tensors of
# (position in the state dict) x (sum of absolute values).
INITIAL = {
    ("small_cnn", "none"): ("e9b5fcc0d1686a96", 28767.90053031435),
    ("resnet18", "none"): ("b360224675a5d323", 20559437.03555522),
    ("resnet50", "none"): ("9937b027da938802", 178506693.897875),
    ("densenet121", "none"): ("0faad59403280500", 153317469.03971133),
    ("efficientnet_lite0", "none"): ("7e3656282090685d", 58941484.82312912),
    ("efficientnet_lite0", "imagenet"): ("7e3656282090685d", 135784524.78536367),
    ("timm:resnet10t", "none"): ("3a5742bec8b154a2", 6620472.747344844),
}


def build(name, seed=0, **options):
    with torch_seed(seed, "model"):
        return build_network(name, num_classes=3, **{"weights": "none", **options})


@pytest.mark.parametrize(("name", "weights"), INITIAL)
def test_names_and_initial_values_stay_what_they_are(name, weights):
    state = build(name, weights=weights).state_dict()
    names = hashlib.sha256(repr([(key, tuple(t.shape)) for key, t in state.items()]).encode()).hexdigest()[:16]
    total = sum(position * float(t.double().abs().sum()) for position, t in enumerate(state.values(), start=1))
    # Not the bits: another processor rounds the random numbers in other ways.
    assert (names, total) == (INITIAL[name, weights][0], pytest.approx(INITIAL[name, weights][1], rel=1e-6))


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("resnet18", ("resnet18", {})),
        ("timm:resnet50.ram_in1k", ("timm:resnet50.ram_in1k", {})),
        ("my_package.my-module:build", ("my_package.my-module:build", {})),
        ("resnet18+selfnorm", ("resnet18", {"selfnorm": ()})),
        ("timm:resnet10t+selfnorm-published-two", ("timm:resnet10t", {"selfnorm": ("published", "two")})),
    ],
)
def test_grammar(model, expected):
    assert parse_additions(model) == expected


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ("small_cnn+selfnrom", "unknown addition 'selfnrom'; expected one of: selfnorm. Did you mean 'selfnorm'?"),
        ("small_cnn+", "unknown addition ''; expected one of: selfnorm"),
        ("small_cnn+selfnorm-tow", "unknown option of selfnorm 'tow'; expected one of: two, published"),
        ("small_cnn+selfnorm+selfnorm", "twice; once will do"),
        ("small_cnn+selfnorm-two-two", "twice; once will do"),
        ("my_package:build+selfnorm", "built-in and timm networks only; add them in my_package:build itself"),
        ("reznet18+selfnorm", "unknown model 'reznet18'.*Did you mean 'resnet18'"),
        ("timm:vit_tiny_patch16_224+selfnorm", "timm:vit_tiny_patch16_224 has none of these"),
    ],
)
def test_errors(model, sentence):
    with pytest.raises(InputError, match=sentence):
        build(model)


@pytest.mark.parametrize("model", ["small_cnn+selfnorm-two-published", "resnet18+selfnorm-published"])
def test_a_checkpoint_is_loaded_into_a_network_of_its_name(model, tmp_path):
    network = build(model).eval()
    Checkpoint(model=network.state_dict()).save(tmp_path / "a.safetensors")
    again = build(model, seed=1).eval()
    Checkpoint.load(tmp_path / "a.safetensors").load_into(again)
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(again(images), network(images))
    with pytest.raises(InputError, match=r"selfnorm|stage1\.2\.0"):
        Checkpoint.load(tmp_path / "a.safetensors").load_into(build(model.partition("+")[0]))


def test_added_layers_follow_the_batch_norm_policy():
    network = build("small_cnn+selfnorm", batch_norm="frozen").train()
    norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm1d)]
    assert len(norms) == 3
    assert not any(norm.training for norm in norms)
    assert build("small_cnn+selfnorm").train().featurizer.backbone.stage1[2][0].g_bn.training


@pytest.mark.parametrize("prefix", ["", "featurizer.backbone."])
def test_weights_of_the_plain_network_leave_added_layers_as_they_start(prefix, tmp_path):
    plain = build("small_cnn", seed=1).featurizer.backbone
    save_file({prefix + name: t.contiguous() for name, t in plain.state_dict().items()}, tmp_path / "a.safetensors")
    got = build("small_cnn+selfnorm-published", weights=str(tmp_path / "a.safetensors")).featurizer.backbone
    start = build("small_cnn+selfnorm-published", batch_norm="train").featurizer.backbone.state_dict()
    expected = {**start, **plain.state_dict()}
    assert got.state_dict().keys() == expected.keys()
    # Without weights the draws before those of the added layers are the same.
    assert all(torch.equal(tensor, expected[name]) for name, tensor in got.state_dict().items())


def test_weights_of_the_extended_network_fill_its_added_layers(tmp_path):
    source = build("small_cnn+selfnorm-published", seed=1)
    save_file(source.state_dict(), tmp_path / "a.safetensors")
    got = build("small_cnn+selfnorm-published", weights=str(tmp_path / "a.safetensors")).featurizer.state_dict()
    assert all(torch.equal(tensor, source.featurizer.state_dict()[name]) for name, tensor in got.items())
    with pytest.raises(InputError, match="does not fit the model: it lacks"):
        build("resnet18+selfnorm", weights=str(tmp_path / "a.safetensors"))
