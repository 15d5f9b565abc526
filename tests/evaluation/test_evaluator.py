import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import balanced_accuracy_score
from torch import nn

from landscape.errors import InputError
from landscape.evaluation import Evaluator
from landscape.models import build_network
from landscape.seeding import torch_seed

K, SIDE, N = 3, 32, 37


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (N, SIDE, SIDE, 3), dtype=np.uint8), rng.integers(0, K, N)


def make(name="small_cnn", **options):
    with torch_seed(3, "model"):
        network = build_network(name, num_classes=K, weights="none", batch_norm="frozen", **options)
        for buffer_name, buffer in network.named_buffers():
            if buffer_name.endswith("running_var"):
                buffer.copy_(torch.rand_like(buffer) + 0.5)
            elif buffer_name.endswith("running_mean"):
                buffer.copy_(torch.randn_like(buffer) * 0.2)
    return network


def plain_loop(network, pixels, labels):
    """One image at a time, in float64."""
    network = copy.deepcopy(network).double().eval()
    losses, correct = [], []
    for image, label in zip(pixels, labels, strict=True):
        x = torch.tensor(image / 255.0).permute(2, 0, 1)
        x = (x - torch.tensor(network.mean)[:, None, None]) / torch.tensor(network.std)[:, None, None]
        with torch.no_grad():
            logits = network(x[None])
        losses.append(F.cross_entropy(logits, torch.tensor([label])).item())
        correct.append(int(logits.argmax()) == label)
    return np.array(losses), np.array(correct)


def perturbed(network, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {
        name: p.detach().double() + 0.03 * torch.randn(p.shape, generator=generator, dtype=torch.float64)
        for name, p in network.named_parameters()
    }


@pytest.mark.parametrize("fold", [True, False])
@pytest.mark.parametrize("precision", ["fp64", "fp32"])
def test_equals_a_plain_loop_in_float64(data, fold, precision):
    network = make()
    evaluator = Evaluator(network, *data, precision=precision, fold=fold, batch_size=8)
    got, (loss, correct) = evaluator.at(), plain_loop(network, *data)
    # Inputs are normalised in float32 in either case.
    np.testing.assert_allclose(got.loss, loss, rtol=2e-6)
    assert (got.loss.dtype, got.correct.dtype) == (np.float64, np.bool_)
    assert got.correct.tolist() == correct.tolist()
    assert evaluator.folded == (4 if fold else 0)
    assert evaluator.notes == []
    if precision == "fp64" and fold:
        unfolded = Evaluator(network, *data, precision="fp64", fold=False).at()
        np.testing.assert_allclose(got.loss, unfolded.loss, rtol=1e-12)


@pytest.mark.parametrize("head", ["linear", "nonlinear"])
def test_at_other_weights_equals_loading_them(data, head):
    network = make(head=head)
    evaluator = Evaluator(network, *data)
    for seed in (0, 1):
        weights = perturbed(network, seed)
        moved = copy.deepcopy(network)
        moved.load_state_dict({name: t.float() for name, t in weights.items()}, strict=False)
        loss, _ = plain_loop(moved, *data)
        np.testing.assert_allclose(evaluator.at(weights).loss, loss, rtol=1e-5)
        np.testing.assert_allclose(evaluator.at({n: t.float() for n, t in weights.items()}).loss, loss, rtol=1e-5)
    np.testing.assert_allclose(evaluator.at().loss, plain_loop(network, *data)[0], rtol=1e-5)


def test_other_running_statistics(data):
    network = make()
    evaluator = Evaluator(network, *data)
    moved = copy.deepcopy(network)
    for name, buffer in moved.named_buffers():
        if "running" in name:
            buffer.mul_(1.5).add_(0.1)
    got = evaluator.at(dict(moved.named_parameters()), dict(moved.named_buffers()))
    np.testing.assert_allclose(got.loss, plain_loop(moved, *data)[0], rtol=1e-5)
    # Without them the network's own count again.
    np.testing.assert_allclose(evaluator.at().loss, plain_loop(network, *data)[0], rtol=1e-5)


def test_the_callers_network_is_left_as_it_was(data):
    network = make().train()
    network.classifier.bias.requires_grad_(False)
    F.cross_entropy(network(torch.rand(2, 3, SIDE, SIDE)), torch.tensor([0, 1])).backward()
    before = copy.deepcopy(network.state_dict())
    about = [(m.training, len(m._forward_hooks), len(m._forward_pre_hooks)) for m in network.modules()]
    flags = [(p.requires_grad, p.data_ptr(), p.grad is None, p.stride()) for p in network.parameters()]
    random = torch.get_rng_state()
    Evaluator(network, *data, precision="bf16").at(perturbed(network), codes=True)
    assert all(torch.equal(t, before[name]) for name, t in network.state_dict().items())
    assert [(m.training, len(m._forward_hooks), len(m._forward_pre_hooks)) for m in network.modules()] == about
    assert [(p.requires_grad, p.data_ptr(), p.grad is None, p.stride()) for p in network.parameters()] == flags
    assert torch.equal(torch.get_rng_state(), random)


@pytest.mark.parametrize("fold", [True, False])
def test_without_a_copy_of_its_own_weights_it_gives_the_same_until_others_are_loaded(data, fold):
    network = make()
    light, full = (Evaluator(network, *data, fold=fold, keep_given=keep) for keep in (False, True))
    weights = perturbed(network)
    spans = [each.span(dict(network.named_parameters()), weights) for each in (light, full)]
    for _ in range(2):
        np.testing.assert_array_equal(light.at().loss, full.at().loss)
    for x in (0.0, 0.7):
        np.testing.assert_array_equal(light.at(spans[0].point(x)).loss, full.at(spans[1].point(x)).loss)
    np.testing.assert_array_equal(light.at(weights).loss, full.at(weights).loss)
    with pytest.raises(InputError, match="own weights were not kept; give weights"):
        light.at()
    assert full.at().loss.mean() == pytest.approx(plain_loop(network, *data)[0].mean(), rel=1e-5)


def test_repeats_are_identical(data):
    evaluator = Evaluator(make(), *data)
    first, _, second = evaluator.at(), evaluator.at(perturbed(make())), evaluator.at()
    assert first.loss.tolist() == second.loss.tolist()


def test_rows_are_evaluated_in_their_order(data):
    rows = np.array([30, 2, 2, 7])
    got = Evaluator(make(), *data, rows=rows).at()
    everything = Evaluator(make(), *data).at()
    assert got.rows.tolist() == rows.tolist()
    np.testing.assert_allclose(got.loss, everything.loss[rows], rtol=1e-6)


def test_codes_are_what_the_classifier_reads(data):
    network = make(dropout=0.5).train()
    evaluator = Evaluator(network, *data, batch_size=10)
    codes = evaluator.at(codes=True).codes
    assert evaluator.at().codes is None
    assert (codes.shape, codes.dtype, codes.is_inference()) == ((N, 64), torch.float32, False)
    loss = F.cross_entropy(evaluator.classifier(codes).double(), torch.from_numpy(data[1]), reduction="none")
    np.testing.assert_allclose(loss.detach(), evaluator.at().loss, rtol=1e-6)
    # Autograd takes them.
    head = nn.Linear(64, K)
    head(codes).sum().backward()
    assert head.weight.grad is not None


class Whole(nn.Sequential):
    """No featurizer, no classifier, no normalisation of its own."""

    def __init__(self):
        super().__init__(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, K))


def test_any_module_works_without_codes(data):
    network = Whole()
    got = Evaluator(network, *data).at()
    network.mean, network.std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    np.testing.assert_allclose(got.loss, plain_loop(network, *data)[0], rtol=1e-5)
    with pytest.raises(InputError, match=r"Whole has no \.featurizer and \.classifier"):
        Evaluator(network, *data).at(codes=True)


def test_wrappers_are_looked_through(data):
    network = make()
    expected = Evaluator(network, *data).at()
    for wrapped in (torch.compile(network), nn.DataParallel(network)):
        assert Evaluator(wrapped, *data).at(perturbed(network)).loss.shape == (N,)
        assert Evaluator(wrapped, *data).at().loss.tolist() == expected.loss.tolist()


def test_bf16_is_near_and_never_stale(data):
    network = make()
    evaluator = Evaluator(network, *data, precision="bf16")
    exact = Evaluator(network, *data)
    with torch.autocast("cpu", torch.bfloat16):  # a caller's own, whose cache outlives our evaluation
        for weights in (None, perturbed(network), None):
            np.testing.assert_allclose(evaluator.at(weights).loss, exact.at(weights).loss, rtol=0.05, atol=0.05)
        # fp32 stays fp32 inside it.
        assert exact.at().loss.tolist() == Evaluator(network, *data).at().loss.tolist()


def test_memory_map_and_layouts(data, tmp_path):
    pixels, labels = data
    np.save(tmp_path / "pixels.npy", pixels)
    mapped = np.load(tmp_path / "pixels.npy", mmap_mode="r")
    expected = Evaluator(make(), pixels, labels).at()
    assert Evaluator(make(), mapped, labels).at().loss.tolist() == expected.loss.tolist()
    contiguous = Evaluator(make(), mapped, labels, channels_last=False).at()
    np.testing.assert_allclose(contiguous.loss, expected.loss, rtol=1e-5)


def test_logits_that_are_no_numbers_are_wrong(data):
    network = make()
    weights = {name: p.detach().clone() for name, p in network.named_parameters()}
    weights["classifier.bias"].fill_(float("nan"))
    got = Evaluator(network, *data).at(weights)
    assert np.isnan(got.loss).all()
    assert not got.correct.any()


def test_accuracy_against_scikit_learn(data):
    from landscape.evaluation import scores

    network, (pixels, labels) = make(), data
    got = Evaluator(network, pixels, labels).at(codes=True)
    guesses = network.classifier(got.codes).argmax(1).numpy()
    assert scores(got.loss, got.correct, labels)["balanced_accuracy"] == pytest.approx(
        balanced_accuracy_score(labels, guesses)
    )


def test_batch_norm_without_statistics_is_noted(data):
    network = nn.Sequential(
        nn.Conv2d(3, K, 3), nn.BatchNorm2d(K, track_running_stats=False), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    assert "depend on the batch size" in Evaluator(network, *data).notes[0]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"rows": np.array([], dtype=int)}, "no images to evaluate"),
        ({"labels": np.zeros(3, dtype=int)}, "3 labels for 37 images"),
        ({"labels": np.full(N, -1)}, "a label is -1"),
        ({"labels": np.full(N, K)}, "3 logits, but there are labels up to 3"),
        ({"pixels": np.zeros((N, 3, SIDE, SIDE), dtype=np.float32)}, "expected uint8 of shape"),
        ({"precision": "fp16"}, "unknown precision 'fp16'"),
        ({"device": "tpu"}, "unknown device 'tpu'"),
        ({"network": nn.Identity()}, "expected one row of logits each"),
    ],
)
def test_errors(data, change, sentence):
    options = {"network": make(), "pixels": data[0], "labels": data[1], **change}
    with pytest.raises(InputError, match=sentence):
        Evaluator(**options).at()


@pytest.mark.parametrize("size", [0, -5])
def test_a_batch_size_below_one_is_refused(size: int) -> None:
    pixels, labels = np.zeros((2, 8, 8, 3), np.uint8), np.zeros(2, np.int64)
    with pytest.raises(InputError, match="expected at least 1"):
        Evaluator(nn.Sequential(nn.Flatten(), nn.Linear(192, 2)), pixels, labels, batch_size=size)
