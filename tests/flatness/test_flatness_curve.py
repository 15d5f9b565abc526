"""The curve of one's own module: closed forms, brute force, and that the module comes back as it was."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from landscape.errors import InputError
from landscape.flatness import Flatness, FlatnessCurve
from landscape.flatness.directions import Direction
from landscape.flatness.recipe import Recipe

A = torch.diag(torch.tensor([0.5, 1.0, 2.0, 0.0, 4.0, 1.5], dtype=torch.float64))
G = torch.tensor([1.0, -0.5, 0.0, 0.3, 0.2, 1.0], dtype=torch.float64)


class Quadratic(nn.Module):
    """``L(w) = g (w - w0) + (w - w0) A (w - w0) / 2`` in two tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.randn(2, 2, dtype=torch.float64))
        self.second = nn.Parameter(torch.randn(2, dtype=torch.float64))
        self.start = torch.cat([self.first.detach().reshape(-1), self.second.detach()]).clone()

    def loss(self) -> torch.Tensor:
        d = torch.cat([self.first.reshape(-1), self.second]) - self.start
        return G @ d + 0.5 * d @ A @ d


def measure(*given: object, **options: object) -> FlatnessCurve:
    return FlatnessCurve.measure(*given, progress=False, **options)


@pytest.fixture
def batches() -> list[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(3)
    return [(torch.randn(n, 4, generator=generator), torch.randint(0, 3, (n,), generator=generator)) for n in (8, 8, 3)]


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(5)
    return nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Dropout(0.5), nn.Linear(5, 3))


def test_a_quadratic_has_a_closed_form() -> None:
    gammas, directions = [0.5, 1.0, 2.0], 3000
    curve = measure(Quadratic(), Quadratic.loss, recipe=Recipe(gammas=gammas, directions=directions))
    g, d = np.array([0, *gammas]), 6
    trace, squares, slope = A.trace().item(), (A @ A).trace().item(), (G @ G).item()
    # Over the sphere: E[u u'] = I / d, and E[(u'Au)^2] = (2 tr A^2 + (tr A)^2) / (d (d + 2)); odd moments vanish.
    expected = {
        "signed": g**2 * trace / (2 * d),
        "squared": g**2 * slope / d + g**4 / 4 * (2 * squares + trace**2) / (d * (d + 2)),
    }
    for statistic, value in expected.items():
        errors = curve.values(statistic).std(1, ddof=1) / np.sqrt(directions)
        assert (np.abs(curve.mean(statistic) - value) <= 4 * errors).all()
    assert (curve.mean("absolute") >= np.abs(curve.mean("signed"))).all()
    assert (curve.mean("absolute") ** 2 <= curve.mean("squared") * (1 + 1e-12)).all()
    # Every sample, not only their mean.
    for k in (0, 17):
        u = Direction.draw({"first": torch.zeros(2, 2), "second": torch.zeros(2)}, k)
        flat = torch.cat([u.scale * part.double().reshape(-1) for part in u.parts.values()])
        exact = [gamma * float(G @ flat) + gamma**2 / 2 * float(flat @ A @ flat) for gamma in g]
        np.testing.assert_allclose(curve.samples[0, :, k], exact, rtol=1e-9, atol=1e-14)


def test_zero_distance_is_zero_change_and_a_bowl_rises() -> None:
    curve = measure(Quadratic(), Quadratic.loss, recipe=Recipe(gammas=[0.0, 1e-3, 4.0, 1e-3], directions=7))
    np.testing.assert_array_equal(curve.gamma, [0.0, 1e-3, 4.0])
    assert not curve.samples[:, 0].any()
    assert curve.mean("signed")[2] > curve.mean("signed")[1]


def test_it_equals_an_explicit_loop(network: nn.Module, batches) -> None:
    network = network.double()
    batches = [(x.double(), y) for x, y in batches]
    gammas = [0.3, 2.0]
    curve = measure(network, F.cross_entropy, batches, recipe=Recipe(gammas=gammas, directions=4))
    x, y = torch.cat([b[0] for b in batches]), torch.cat([b[1] for b in batches])
    start = [p.detach().clone() for p in network.parameters()]
    shapes = dict(network.named_parameters())
    network.eval()

    def loss() -> float:
        with torch.no_grad():
            log_p = network(x).log_softmax(1)
            return -np.mean([log_p[i, y[i]].item() for i in range(len(y))])

    base = loss()
    assert curve.base[0] == pytest.approx(base, rel=1e-12)
    for k in range(4):
        u = Direction.draw(shapes, k)
        for i, gamma in enumerate(gammas, start=1):
            for parameter, tensor, part in zip(network.parameters(), start, u.parts.values(), strict=True):
                parameter.data = tensor + gamma * u.scale * part.double()
            assert curve.samples[0, i, k] == pytest.approx(loss() - base, abs=1e-12)


def test_the_module_comes_back_as_it_was(network: nn.Module, batches) -> None:
    network.train()
    network[0].eval()
    network[4].weight.requires_grad_(False)
    network[0].to(memory_format=torch.contiguous_format)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    places = [p.data_ptr() for p in network.parameters()]
    modes = [part.training for part in network.modules()]

    def careless(model: nn.Module) -> torch.Tensor:
        with torch.no_grad():
            model[1].running_mean.fill_(3.0)
        calls.append(model.training)
        if len(calls) == limit:
            raise RuntimeError("no more")
        return F.cross_entropy(model(batches[0][0]), batches[0][1])

    for limit in (-1, 1, 5):
        calls: list[bool] = []
        if limit < 0:
            measure(network, careless, recipe=Recipe(gammas=[0.5], directions=3))
        else:
            with pytest.raises(RuntimeError, match="no more"):
                measure(network, careless, recipe=Recipe(gammas=[0.5], directions=3))
        assert not any(calls)
        for name, tensor in network.state_dict().items():
            assert torch.equal(tensor, before[name]), name
        assert [p.data_ptr() for p in network.parameters()] == places
        assert [part.training for part in network.modules()] == modes
        assert [p.requires_grad for p in network.parameters()] == [True] * 4 + [False, True]
        assert all(p.grad is None for p in network.parameters())


def test_losses_per_example_and_per_batch_agree(network: nn.Module, batches) -> None:
    per_batch = measure(network, F.cross_entropy, batches, recipe=Recipe(gammas=[1.0], directions=3))
    each = measure(network, nn.CrossEntropyLoss(reduction="none"), batches, recipe=Recipe(gammas=[1.0], directions=3))
    np.testing.assert_allclose(per_batch.samples, each.samples, atol=1e-6)


def test_several_losses_at_once(network: nn.Module, batches) -> None:
    x, y = batches[0]

    def both(model: nn.Module) -> dict[str, object]:
        logits = model(x)
        return {"cross entropy": F.cross_entropy(logits, y), "error": float((logits.argmax(1) != y).double().mean())}

    curve = measure(network, both, recipe=Recipe(gammas=[1.0], directions=3))
    assert curve.losses == ("cross entropy", "error")
    alone = measure(network, F.cross_entropy, [(x, y)], recipe=Recipe(gammas=[1.0], directions=3))
    np.testing.assert_allclose(curve.values("signed", "cross entropy"), alone.values("signed"), atol=1e-6)


def test_the_classifier_alone(batches) -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.featurizer, self.classifier = nn.Linear(4, 5), nn.Linear(5, 3)
            self.classifier_scale = nn.Parameter(torch.ones(()))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.classifier(self.featurizer(x)) * self.classifier_scale

    network = Two()
    curve = measure(network, F.cross_entropy, batches, recipe=Recipe(gammas=[1.0], directions=3), scope="classifier")
    assert curve.about["parameters"] == 5 * 3 + 3
    with torch.no_grad():
        u = Direction.draw(dict(network.classifier.named_parameters()), 1)
        losses = []
        for gamma in (0.0, 1.0):
            classifier = nn.Linear(5, 3)
            for p, own, part in zip(
                classifier.parameters(), network.classifier.parameters(), u.parts.values(), strict=True
            ):
                p.copy_(own + gamma * u.scale * part)
            x, y = torch.cat([b[0] for b in batches]), torch.cat([b[1] for b in batches])
            losses.append(F.cross_entropy(classifier(network.featurizer(x)), y).item())
    assert curve.samples[0, 1, 1] == pytest.approx(losses[1] - losses[0], abs=1e-5)


def test_the_pilot_ends_where_the_median_change_reaches_the_level() -> None:
    for level in (0.05, 1.0):
        curve = measure(Quadratic(), Quadratic.loss, recipe=Recipe(level=level, steps=4, directions=5))
        last = curve.gamma[-1]
        np.testing.assert_allclose(curve.gamma, last * np.arange(5) / 4, rtol=1e-5)
        shapes = {"first": torch.zeros(2, 2), "second": torch.zeros(2)}
        changes = []
        for k in range(5):
            u = Direction.draw(shapes, k)
            flat = torch.cat([u.scale * part.double().reshape(-1) for part in u.parts.values()])
            changes.append((float(G @ flat), float(flat @ A @ flat) / 2))

        def median(gamma: float, changes: list[tuple[float, float]] = changes) -> float:
            return float(np.median([abs(a * gamma + b * gamma**2) for a, b in changes]))

        assert median(1.05 * last) >= level
        assert median(last / 1.15) < level


KNOBS = {"gammas", "directions", "level"}


@pytest.mark.parametrize(
    ("loss", "options", "message"),
    [
        (lambda m: torch.rand(()), {}, "the loss is random"),
        (lambda m: "much", {}, "the loss returned str"),
        (lambda m: torch.ones(2), {}, "the loss returned Tensor"),
        (lambda m: 1.0, {}, "the loss has still not changed by 1.0 nat"),
        (lambda m: float("nan"), {"gammas": [1.0]}, "at the module's own weights loss nan"),
        (lambda m: float("inf"), {}, "at the module's own weights loss inf"),
        (Quadratic.loss, {"gammas": [-1.0]}, "expected distances above 0"),
        (Quadratic.loss, {"gammas": []}, "expected distances above 0"),
        (Quadratic.loss, {"gammas": [1.0], "directions": 1}, "got 1 directions"),
        (Quadratic.loss, {"level": 0.0}, "a level of 0.0"),
        (Quadratic.loss, {"scope": "head"}, "unknown scope 'head'"),
        (Quadratic.loss, {"scope": "classifier"}, "no parameters below 'classifier.'"),
        (Quadratic.loss, {"data": "toy"}, "'data' belongs to checkpoints"),
        (None, {}, "a module without a loss"),
    ],
)
def test_mistakes_are_one_sentence(loss, options, message) -> None:
    def asked() -> FlatnessCurve:
        recipe = Recipe(**{name: value for name, value in options.items() if name in KNOBS})
        others = {name: value for name, value in options.items() if name not in KNOBS}
        return measure(Quadratic(), loss, recipe=recipe, **others)

    with pytest.raises(InputError, match=message):
        asked()


def test_an_exhausted_loader_is_refused(network: nn.Module, batches) -> None:
    with pytest.raises(InputError, match="the loader is empty"):
        measure(network, F.cross_entropy, iter(batches), recipe=Recipe(gammas=[1.0], directions=2))


def test_a_checkpoint_brings_its_own_loss() -> None:
    with pytest.raises(InputError, match="a checkpoint brings its own loss"):
        measure("run@swa", F.cross_entropy)


def test_a_loss_that_overflows_is_said_to() -> None:
    def steep(model: Quadratic) -> float:
        d = float((torch.cat([model.first.reshape(-1), model.second]) - model.start).norm())
        return float("inf") if d > 1.5 else d

    curve = measure(Quadratic(), steep, recipe=Recipe(gammas=[1.0, 2.0], directions=3))
    assert curve.overflowed == 3
    np.testing.assert_allclose(curve.mean("signed"), [0.0, 1.0, np.inf])
    assert np.isnan(curve.interval("signed")[2]).all()


def test_it_can_be_stored_and_becomes_a_table(tmp_path) -> None:
    curve = measure(Quadratic(), Quadratic.loss, recipe=Recipe(gammas=[1.0, 2.0], directions=4), method="bowl")
    back = FlatnessCurve.load(curve.save(tmp_path / "curve.nc"))
    np.testing.assert_array_equal(back.samples, curve.samples)
    np.testing.assert_array_equal(back.gamma, curve.gamma)
    np.testing.assert_array_equal(back.base, curve.base)
    assert (back.method, back.losses, back.scope, dict(back.about)) == ("bowl", ("loss",), "full", dict(curve.about))
    table = curve.to_dataframe()
    assert len(table) == 3 * 4
    row = table[(table["gamma"] == 2.0) & (table["direction"] == 3)].iloc[0]
    assert row["change"] == curve.samples[0, 2, 3]
    summary = curve.summary("signed")
    assert (summary["low"] <= summary["mean"]).all()
    assert (summary["mean"] <= summary["high"]).all()
    assert "<table" in curve._repr_html_()
    assert "bowl" in curve._repr_html_()

    two = Flatness((curve, curve)).save(tmp_path / "two.nc")
    with pytest.raises(InputError, match="holds 2 curves"):
        FlatnessCurve.load(two)
    (tmp_path / "bad.nc").write_bytes(two.read_bytes()[:500])
    with pytest.raises(InputError, match="is no flatness result, or is damaged"):
        Flatness.load(tmp_path / "bad.nc")
    with pytest.raises(InputError, match="does not exist"):
        Flatness.load(tmp_path / "none.nc")
    with pytest.raises(InputError, match="unknown statistic 'mean'"):
        curve.mean("mean")
    with pytest.raises(InputError, match="unknown loss 'own'"):
        curve.mean(loss="own")
    with pytest.raises(InputError, match="no curve moves the scope 'classifier'"):
        Flatness((curve,)).of("classifier")
