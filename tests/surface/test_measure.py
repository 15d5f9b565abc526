"""The surface against NumPy in float64, against direct evaluation, and against itself after being killed."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from landscape.checkpoint import Checkpoint
from landscape.compute import Compute
from landscape.config import MixupConfig, RunConfig
from landscape.errors import InputError
from landscape.evaluation import Evaluator
from landscape.fgmix import VARIANTS, WeightPolicy
from landscape.mixture import Mixture
from landscape.surface import Surface
from landscape.surface.measure import measure
from landscape.surface.meter import Meter
from landscape.surface.plan import Buffers, Plan
from landscape.surface.recipe import Where
from landscape.surface.setting import Setting
from landscape.weights import weights_of


def state(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def checkpoint(network, *, algorithm="erm", step=5, kind="swa", seed=0, **mixup) -> Checkpoint:
    """As training writes it: for a mixing algorithm with its policy."""
    config = RunConfig(algorithm=algorithm, data="toy", seed=seed, mixup=MixupConfig(start=2, **mixup))
    tensors = {}
    if config.uses_mixup:
        torch.manual_seed(seed)
        policy = WeightPolicy(
            VARIANTS[algorithm], config.mixup, classifier=network.classifier, feature_dim=network.feature_dim
        )
        tensors = {f"policy/{name}": tensor for name, tensor in policy.state_dict().items()}
    return Checkpoint(model=state(network), algorithm=tensors, config=config, step=step, kind=kind)


def brute_force(surface: Surface, anchors: list[dict], task) -> dict[str, np.ndarray]:
    """Gram-Schmidt and cross entropy by hand, in float64."""
    flat = [np.concatenate([w["linear.weight"].double().numpy().ravel(), w["linear.bias"].double()]) for w in anchors]
    u, w = flat[1] - flat[0], flat[2] - flat[0]
    e1 = u / np.linalg.norm(u)
    v = w - (w @ e1) * e1
    e2 = v / np.linalg.norm(v)
    inputs = ((task.images.pixels.astype(np.float32) / 255 - 0.5) / 0.25).reshape(len(task.images), -1)
    out = {name: np.empty((len(surface.y), len(surface.x))) for name in ("train_loss", "test_loss", "test_accuracy")}
    out["test_balanced_accuracy"] = out["test_loss"].copy()
    out["photo_out"] = out["test_loss"].copy()
    rows = {"train": task.source_rows("in"), "test": task.rows("sketch"), "photo": task.rows("photo", "out")}
    labels = task.images.labels
    for i, y in enumerate(surface.y):
        for j, x in enumerate(surface.x):
            theta = flat[0] + x * e1 + y * e2
            logits = inputs.astype(np.float64) @ theta[:-3].reshape(3, -1).T + theta[-3:]
            loss = np.log(np.exp(logits).sum(1)) - logits[np.arange(len(labels)), labels]
            right = logits.argmax(1) == labels
            out["train_loss"][i, j] = loss[rows["train"]].mean()
            out["test_loss"][i, j] = loss[rows["test"]].mean()
            out["test_accuracy"][i, j] = right[rows["test"]].mean()
            recalls = [right[rows["test"]][labels[rows["test"]] == k].mean() for k in range(3)]
            out["test_balanced_accuracy"][i, j] = np.mean(recalls)
            out["photo_out"][i, j] = loss[rows["photo"]].mean()
    return out


def test_a_linear_models_surface_equals_numpy(task, linear) -> None:
    network, weights = linear
    anchors = [weights(seed) for seed in range(3)]
    surface = Surface.through(
        *anchors, task, network=network, where=Where(points=4), compute=Compute(precision="fp64"), progress=False
    )
    expected = brute_force(surface, anchors, task)
    for name in ("train_loss", "test_loss", "test_accuracy", "test_balanced_accuracy"):
        np.testing.assert_allclose(surface.panel(name).values, expected[name], rtol=1e-6, err_msg=name)
    photo = surface.panel("loss", domain="photo", split="out").values
    np.testing.assert_allclose(photo, expected["photo_out"], rtol=1e-6)
    assert surface.panels == (
        "train_loss",
        "train_accuracy",
        "test_loss",
        "test_accuracy",
        "test_balanced_accuracy",
    )
    assert any("no checkpoint has a mixup policy" in note for note in surface.about["notes"])


def test_the_caller_keeps_its_network(task, linear) -> None:
    network, weights = linear
    network.train()
    before = state(network)
    Surface.through(*(weights(seed) for seed in range(3)), task, network=network, where=Where(points=2), progress=False)
    assert network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize("batch_norm", [False, True])
def test_each_anchor_equals_direct_evaluation(task, network_of, batch_norm) -> None:
    networks = [network_of(seed, batch_norm=batch_norm) for seed in range(3)]
    checkpoints = [checkpoint(network) for network in networks]
    setting = Setting.through(*checkpoints, task, network=network_of(9, batch_norm=batch_norm))
    plan = Plan.of(setting, where=Where(points=2), progress=False)
    surface = measure(plan, progress=False)
    evaluator = Evaluator(setting.network, task.images.pixels, task.images.labels)
    buffers = Buffers(plan.plane, tuple(each.buffers(setting.network) for each in checkpoints))
    assert buffers.vary is batch_norm
    images = task.images
    for mark, network, xy in zip(surface.anchors, networks, plan.plane.anchors, strict=True):
        direct = Evaluator(network, images.pixels, images.labels, fold=False).at()
        expected = direct.loss[task.source_rows("in")].mean()
        assert mark.true["train_loss"] == pytest.approx(expected, rel=1e-5)
        assert mark.true["test_accuracy"] == direct.correct[task.rows("sketch")].mean()
        through_plane = Meter(task, evaluator).at(plan.plane.at(*xy), buffers.at(*xy))
        assert through_plane["panels"] == pytest.approx(mark.true, rel=1e-6)


def test_interpolated_variances_stay_within_the_anchors(network_of, task) -> None:
    networks = [network_of(seed, batch_norm=True) for seed in range(3)]
    plan = Plan.of(Setting.through(*map(checkpoint, networks), task, network=networks[0]), progress=False)
    each = [dict(network.named_buffers()) for network in networks]
    buffers = Buffers(plan.plane, tuple(each))
    name = "featurizer.1.running_var"
    stacked = torch.stack([b[name].double() for b in each])
    far = buffers.at(100.0, -50.0)[name]
    assert bool((far >= stacked.min(0).values).all() & (far <= stacked.max(0).values).all())
    (x, y) = plan.plane.anchors[2]
    middle = buffers.at(x / 2, y / 2)[name]  # half way from the first to the third
    torch.testing.assert_close(middle, (stacked[0] + stacked[2]) / 2)


@pytest.mark.parametrize("algorithm", ["a0", "a", "b", "c", "d", "e", "f", "fgmix"])
def test_the_fgmix_loss_equals_a_loop_over_groups(task, network_of, algorithm) -> None:
    networks = [network_of(seed) for seed in range(3)]
    owner = checkpoint(networks[2], algorithm=algorithm, kind="raw", scale_init=4.0)
    setting = Setting.through(checkpoint(networks[0]), checkpoint(networks[1]), owner, task, network=networks[0])
    plan = Plan.of(setting, where=Where(points=2), progress=False)
    surface = measure(plan, compute=Compute(precision="fp64"), progress=False)
    assert "fgmix_train_loss" in surface.panels

    # The groups and their weights, as they are at the third checkpoint.
    images, train = task.images, task.source_rows("in")
    evaluator = Evaluator(networks[2], images.pixels, images.labels)
    predictions = evaluator.at(codes=True)
    mixture = Mixture.frozen(task, predictions.rows, predictions.codes, evaluator.classifier, owner)
    assert len(mixture) == len(train) == surface.about["n"]["mixup"]
    assert mixture.skipped == 0
    torch.testing.assert_close(mixture.weights.sum(1), torch.ones(len(mixture)))
    for anchor, rows in zip(train, mixture.rows.tolist(), strict=True):
        assert anchor in rows
        assert len({images.labels[row] for row in rows}) == 1
        assert sorted(images.domain[row] for row in rows) == [0, 1, 2]
        assert not any(task.split.held_out[row] for row in rows)
    if algorithm in ("a0", "a", "b", "c"):
        assert mixture.extrapolated == 0
    if algorithm == "a0":
        assert set(mixture.weights.unique().tolist()) == {0.0, 1.0}

    # The codes are those of the point itself, the weights are not.
    y, x = float(surface.y[1]), float(surface.x[0])
    weights = {name: tensor.double() for name, tensor in plan.plane.at(x, y).items()}
    network = network_of(7).double()
    network.load_state_dict(weights)
    inputs = (torch.from_numpy(images.pixels).permute(0, 3, 1, 2).float() / 255).double()
    mean, std = (torch.tensor(v, dtype=torch.float64).view(1, 3, 1, 1) for v in (network.mean, network.std))
    with torch.no_grad():
        codes = network.featurizer((inputs - mean) / std)
        losses = []
        for rows, mixing in zip(mixture.rows.tolist(), mixture.weights.tolist(), strict=True):
            code = sum(weight * codes[row] for weight, row in zip(mixing, rows, strict=True))
            logits = network.classifier(code)
            losses.append(float(torch.logsumexp(logits, 0) - logits[images.labels[rows[0]]]))
        logits = network.classifier(codes[torch.from_numpy(train)])
        own = nn.functional.cross_entropy(logits, torch.from_numpy(images.labels[train]), reduction="none")
    pooled = (own.sum().item() + sum(losses)) / (len(own) + len(losses))
    assert surface.panel("mixup_loss").values[1, 0] == pytest.approx(np.mean(losses), rel=1e-5)
    assert surface.panel("fgmix_train_loss").values[1, 0] == pytest.approx(pooled, rel=1e-5)


def test_weights_do_not_depend_on_the_chunks(task, network_of, monkeypatch) -> None:
    network = network_of(2)
    owner = checkpoint(network, algorithm="fgmix")
    predictions = (evaluator := Evaluator(network, task.images.pixels, task.images.labels)).at(codes=True)
    whole = Mixture.frozen(task, predictions.rows, predictions.codes, evaluator.classifier, owner)
    losses = whole.loss(predictions.codes, evaluator.classifier)
    monkeypatch.setattr("landscape.mixture._BUDGET", 3 * 3 * 1024 * 5)
    parts = Mixture.frozen(task, predictions.rows, predictions.codes, evaluator.classifier, owner)
    torch.testing.assert_close(whole.weights, parts.weights)
    np.testing.assert_allclose(parts.loss(predictions.codes, evaluator.classifier), losses, rtol=1e-6)


def test_a_nonlinear_classifier_is_weighed_by_its_dense_gradients(task, network_of, monkeypatch) -> None:
    network = network_of(2)
    network.classifier = nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 3)).eval()
    owner = checkpoint(network, algorithm="fgmix")
    predictions = (evaluator := Evaluator(network, task.images.pixels, task.images.labels)).at(codes=True)
    mixture = Mixture.frozen(task, predictions.rows, predictions.codes, evaluator.classifier, owner)
    monkeypatch.setattr("landscape.mixture._BUDGET", 3 * 163 * 4)  # four groups at a time
    parts = Mixture.frozen(task, predictions.rows, predictions.codes, evaluator.classifier, owner)
    torch.testing.assert_close(mixture.weights, parts.weights)
    assert mixture.weights.std() > 0


def test_classes_that_a_source_lacks_are_skipped_and_counted(make, network_of) -> None:
    task = make(drop=("photo", "dog"))
    networks = [network_of(seed) for seed in range(3)]
    anchors = [checkpoint(networks[0]), checkpoint(networks[1]), checkpoint(networks[2], algorithm="fgmix")]
    surface = Surface.through(*anchors, task, network=networks[0], where=Where(points=2), progress=False)
    train = task.source_rows("in")
    dogs = int((task.images.labels[train] == 1).sum())
    assert surface.about["n"]["mixup_skipped"] == dogs
    assert surface.about["n"]["mixup"] == len(train) - dogs


def test_the_policy_is_the_last_one_there_is(task, network_of) -> None:
    networks = [network_of(seed) for seed in range(3)]
    b = checkpoint(networks[1], algorithm="c", kind="raw")
    setting = Setting.through(checkpoint(networks[0]), b, checkpoint(networks[2]), task, network=networks[0])
    assert setting.policy is b
    swa = replace(b, kind="swa")
    setting = Setting.through(checkpoint(networks[0]), swa, checkpoint(networks[2]), task, network=networks[0])
    assert setting.policy is swa
    assert any("its raw iterate is not beside it" in note for note in setting.notes)


def test_a_network_without_codes_leaves_the_mixup_panel_out(task, linear, network_of) -> None:
    network, weights = linear
    owner = checkpoint(network_of(0), algorithm="fgmix")
    anchors = [replace(owner, model=weights(seed), algorithm=owner.algorithm) for seed in range(3)]
    surface = Surface.through(*anchors, task, network=network, where=Where(points=2), progress=False)
    assert "fgmix_train_loss" not in surface.panels
    assert any("FGMix train loss is left out" in note for note in surface.about["notes"])


class Killed(BaseException):
    pass


@pytest.mark.parametrize("torn", [0, 7])
def test_a_killed_measurement_resumes_to_the_same_surface(
    task, network_of, tmp_path: Path, monkeypatch, torn: int
) -> None:
    networks = [network_of(seed) for seed in range(3)]
    anchors = [checkpoint(networks[0]), checkpoint(networks[1]), checkpoint(networks[2], algorithm="fgmix")]
    options = {"network": networks[0], "where": Where(points=3), "progress": False}
    whole = Surface.through(*anchors, task, **options)

    calls = 0
    original = Meter.at

    def counted(self, *arguments):
        nonlocal calls
        calls += 1
        if calls == limit:
            raise Killed
        return original(self, *arguments)

    monkeypatch.setattr(Meter, "at", counted)
    limit, journal = 6, tmp_path / "journal.jsonl"
    with pytest.raises(Killed):
        Surface.through(*anchors, task, journal=journal, **options)
    if torn:  # a crash in the middle of a write
        journal.write_bytes(journal.read_bytes()[:-torn])
    limit, done = -1, calls - 1 - bool(torn)
    calls = 0
    resumed = Surface.through(*anchors, task, journal=journal, **options)
    # The third anchor's values come with the pass that weighs the mixup.
    assert calls == 9 + 2 - done
    assert resumed.values.identical(whole.values)
    assert resumed.marks == whole.marks
    calls = 0
    assert Surface.through(*anchors, task, journal=journal, **options).values.identical(whole.values)
    assert calls == 0


def test_a_journal_of_other_inputs_is_not_used(task, linear, tmp_path: Path) -> None:
    network, weights = linear
    options = {"network": network, "where": Where(points=2), "progress": False, "journal": tmp_path / "journal.jsonl"}
    Surface.through(*(weights(seed) for seed in range(3)), task, **options)
    other = Surface.through(*(weights(seed) for seed in (0, 1, 3)), task, **options)
    del options["journal"]
    assert other.values.identical(Surface.through(*(weights(seed) for seed in (0, 1, 3)), task, **options).values)


def test_an_overflowed_loss_is_infinite_and_not_missing(task, linear, tmp_path: Path) -> None:
    network, weights = linear
    anchors = [weights(0), weights(1), weights(2, scale=5e37)]
    options = {
        "network": network,
        "where": Where(points=3, y_range=(0.0, 1e39)),
        "progress": False,
        "journal": tmp_path / "journal.jsonl",
    }
    for _ in range(2):  # fresh, and read from the journal
        surface = Surface.through(*anchors, task, **options)
        loss = surface.panel("train_loss").values
        assert not np.isnan(loss).any()
        assert np.isinf(loss).any()
        assert np.isfinite(loss).any()
        assert np.isinf(surface.values["loss"].values).any()
        assert not np.isnan(surface.values["loss"].values).any()


def test_domainbeds_split_tests_on_the_targets_own_in_split(make, linear) -> None:
    network, weights = linear
    task = make(rule="domainbed")
    surface = Surface.through(
        *(weights(seed) for seed in range(3)), task, network=network, where=Where(points=2), progress=False
    )
    inside = surface.panel("accuracy", domain="sketch", split="in").values
    np.testing.assert_allclose(surface.panel("test_accuracy").values, inside)


def test_the_grid_contains_anchors_and_states_the_angle(task, linear) -> None:
    network, weights = linear
    anchors = [weights(seed) for seed in range(3)]
    surface = Surface.through(*anchors, task, network=network, where=Where(points=5, margin=0.1), progress=False)
    for mark in surface.anchors:
        assert surface.x[0] < mark.x < surface.x[-1]
        assert surface.y[0] < mark.y < surface.y[-1]
    vectors = [
        np.concatenate([tensor.double().numpy().ravel() for tensor in (network.state_dict() | w).values()])
        for w in anchors
    ]
    u, v = vectors[1] - vectors[0], vectors[2] - vectors[0]
    cosine = u @ v / np.linalg.norm(u) / np.linalg.norm(v)
    assert surface.about["angle"] == pytest.approx(math.degrees(math.acos(cosine)), rel=1e-6)


def test_a_range_that_leaves_an_anchor_out_is_noted(task, linear) -> None:
    network, weights = linear
    anchors = [weights(seed) for seed in range(3)]
    surface = Surface.through(
        *anchors, task, network=network, where=Where(points=2, x_range=(-0.1, 0.1)), progress=False
    )
    outside = [note for note in surface.about["notes"] if "outside the range" in note]
    assert [note.split()[0] for note in outside] == ["w2", "w3"]


def test_weights_that_do_not_fit_the_network(task, linear, network_of) -> None:
    network, weights = linear
    with pytest.raises(InputError, match=r"does not fit the network: it lacks linear\.weight"):
        Surface.through(weights(0), weights(1), weights_of(network_of(0)), task, network=network, progress=False)
