"""The surface of one's own module: closed forms, brute force, and that the module comes back as it was."""

import copy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from landscape.errors import InputError
from landscape.surface import Surface
from landscape.surface.recipe import Where
from landscape.surface.report import marks_table, report

A = torch.diag(torch.tensor([0.5, 1.0, 2.0, 0.0, 4.0, 1.5], dtype=torch.float64))
A[0, 4] = A[4, 0] = 0.7


class Quadratic(nn.Module):
    """``L(w) = w A w / 2`` in two tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.ones(2, 2, dtype=torch.float64))
        self.second = nn.Parameter(torch.ones(2, dtype=torch.float64))

    def loss(self) -> torch.Tensor:
        w = torch.cat([self.first.reshape(-1), self.second])
        return 0.5 * w @ A @ w


def weights(seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = {"first": (2, 2), "second": (2,)}
    return {name: torch.randn(shape, generator=generator, dtype=torch.float64) for name, shape in shapes.items()}


def flat(named: dict[str, torch.Tensor]) -> np.ndarray:
    return torch.cat([tensor.reshape(-1) for tensor in named.values()]).numpy()


def of_module(*given: object, **options: object) -> Surface:
    return Surface.of_module(*given, **{"progress": False, "where": Where(points=3), **options})


def quadratic(**options: object) -> Surface:
    return of_module(Quadratic(), weights(1), weights(2), weights(3), **{"loss": Quadratic.loss, **options})


def network(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    made = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Dropout(0.5), nn.Linear(5, 3))
    made[1].running_mean.normal_()
    return made


@pytest.fixture
def loader() -> DataLoader:
    generator = torch.Generator().manual_seed(3)
    data = TensorDataset(torch.randn(19, 4, generator=generator), torch.randint(0, 3, (19,), generator=generator))
    return DataLoader(data, batch_size=8)  # the last batch is smaller


@pytest.fixture
def trained() -> tuple[nn.Module, tuple[dict[str, torch.Tensor], ...]]:
    """A module in the middle of somebody's training, one layer frozen, and three state dicts: one is its own."""
    model = network(0)
    model[0].requires_grad_(False)
    model.train()
    model[1].eval()
    return model, (model.state_dict(), network(1).state_dict(), network(2).state_dict())


def everything(model: nn.Module) -> tuple[object, ...]:
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    return state, [part.training for part in model.modules()], [p.requires_grad for p in model.parameters()]


def assert_untouched(model: nn.Module, before: tuple[object, ...]) -> None:
    now = everything(model)
    assert all(torch.equal(now[0][name], tensor) for name, tensor in before[0].items())
    assert now[1:] == before[1:]


class Counted:
    """A loss that counts its calls, and breaks at one of them."""

    def __init__(self, loss: Callable[..., object], *, error: BaseException | None = None, at: int = 0) -> None:
        self.loss, self.error, self.at, self.calls = loss, error, at, 0

    def __call__(self, *given: object) -> object:
        self.calls += 1
        if self.error is not None and self.calls == self.at:
            raise self.error
        return self.loss(*given)


def test_a_quadratic_has_a_closed_form() -> None:
    surface = quadratic(where=Where(points=5, margin=0.5))
    a, b, c = (flat(weights(seed)) for seed in (1, 2, 3))
    e1 = (b - a) / np.linalg.norm(b - a)
    e2 = (c - a) - (c - a) @ e1 * e1
    e2 /= np.linalg.norm(e2)
    grid = a + surface.x[None, :, None] * e1 + surface.y[:, None, None] * e2
    expected = 0.5 * np.einsum("ijk,kl,ijl->ij", grid, A.numpy(), grid)
    np.testing.assert_allclose(surface.panel("train_loss").values, expected, rtol=1e-12)
    for mark, w in zip(surface.anchors, (a, b, c), strict=True):
        assert mark.true["train_loss"] == mark.projected["train_loss"] == pytest.approx(0.5 * w @ A.numpy() @ w)
        np.testing.assert_allclose([mark.x, mark.y], [(w - a) @ e1, (w - a) @ e2], atol=1e-12)
    extent = max((c - a) @ e1, (b - a) @ e1) - min((c - a) @ e1, 0)
    assert np.ptp(surface.x) == pytest.approx(2 * extent)
    assert surface.panels == ("train_loss",)
    assert surface.about["angle"] == pytest.approx(np.degrees(np.arctan2((c - a) @ e2, (c - a) @ e1)))


@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_it_equals_an_explicit_loop_over_a_loader(trained, loader: DataLoader, reduction: str) -> None:
    model, states = trained
    surface = of_module(model, *states, loss=nn.CrossEntropyLoss(reduction=reduction), loader=loader)
    inputs, labels = loader.dataset.tensors
    exact = copy.deepcopy(model).double().eval()
    names = [name for name, _ in model.named_parameters()]
    a, b, c = (np.concatenate([s[name].double().numpy().ravel() for name in names]) for s in states)
    e1 = (b - a) / np.linalg.norm(b - a)
    e2 = (c - a) - (c - a) @ e1 * e1
    e2 /= np.linalg.norm(e2)

    def loss_at(w: np.ndarray) -> float:
        torch.nn.utils.vector_to_parameters(torch.from_numpy(w), exact.parameters())
        with torch.no_grad():
            return float(F.cross_entropy(exact(inputs.double()), labels))

    expected = [[loss_at(a + x * e1 + y * e2) for x in surface.x] for y in surface.y]
    np.testing.assert_allclose(surface.panel("train_loss").values, expected, rtol=2e-6)
    for mark, w in zip(surface.anchors, (a, b, c), strict=True):
        assert mark.true["train_loss"] == pytest.approx(loss_at(w), rel=2e-6)
    # The first state dict is the module's own, and its memory too.
    assert [note for note in surface.about["notes"] if "buffers" in note and "w2, w3 differ" in note]


def test_modules_are_as_good_as_state_dicts(trained, loader: DataLoader) -> None:
    model, states = trained
    modules = (model, network(1), network(2))
    surfaces = [of_module(model, *given, loss=F.cross_entropy, loader=loader) for given in (states, modules)]
    assert surfaces[0].values.identical(surfaces[1].values)
    assert surfaces[0].about == surfaces[1].about


def test_shared_parameters_are_one(loader: DataLoader) -> None:
    def tied(seed: int) -> nn.Module:
        torch.manual_seed(seed)
        made = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4))
        made[2].weight = made[0].weight
        return made

    models = [tied(seed) for seed in range(3)]
    states = [model.state_dict() for model in models]
    surface = of_module(models[0], *states, loss=F.cross_entropy, loader=loader)
    a, b = (nn.utils.parameters_to_vector(model.parameters()).detach().double() for model in models[:2])
    assert surface.anchors[1].x == pytest.approx(float((b - a).norm()), rel=1e-12)


def test_the_module_comes_back(trained, loader: DataLoader) -> None:
    model, states = trained
    before = everything(model)

    def loss(module: nn.Module) -> float:
        module.train().requires_grad_(True)
        module(loader.dataset.tensors[0])  # updates the running statistics
        module.eval()
        return float(F.cross_entropy(module(loader.dataset.tensors[0]), loader.dataset.tensors[1]))

    surface = of_module(model, *states, loss=loss)
    assert_untouched(model, before)
    # Running statistics start anew at every point: the corner alone has the value that it has among others.
    corner = of_module(model, *states, loss=loss, where=Where(points=2))
    assert corner.panel("train_loss").values[-1, -1] == surface.panel("train_loss").values[-1, -1]


@pytest.mark.parametrize("error", [RuntimeError("broken"), KeyboardInterrupt()])
@pytest.mark.parametrize("at", [1, 6])
def test_the_module_comes_back_after_an_error(trained, loader: DataLoader, error: BaseException, at: int) -> None:
    model, states = trained
    before = everything(model)
    breaks = Counted(F.cross_entropy, error=error, at=3 * at)  # three batches a point
    with pytest.raises(type(error)):
        of_module(model, *states, loss=breaks, loader=loader)
    assert_untouched(model, before)


def test_a_journal_evaluates_nothing_twice(tmp_path: Path) -> None:
    journal = tmp_path / "own.jsonl"
    whole = Counted(Quadratic.loss)
    expected = quadratic(loss=whole)
    assert whole.calls == 3 + 9 + 1  # one to see whether the loss is random
    broken = Counted(Quadratic.loss, error=KeyboardInterrupt(), at=8)
    with pytest.raises(KeyboardInterrupt):
        quadratic(loss=broken, journal=journal)
    rest = Counted(Quadratic.loss)
    assert quadratic(loss=rest, journal=journal).values.identical(expected.values)
    assert rest.calls + broken.calls - 1 == whole.calls
    again = Counted(Quadratic.loss)
    assert quadratic(loss=again, journal=journal).marks == expected.marks
    assert again.calls == 0
    for changed in ({"key": "other data"}, {"where": Where(points=3, margin=0.3)}):
        other = Counted(Quadratic.loss)
        quadratic(loss=other, journal=tmp_path / "own.jsonl", **changed)
        assert other.calls == whole.calls


def test_a_journal_knows_weights_and_buffers(trained, loader: DataLoader, tmp_path: Path) -> None:
    model, states = trained

    def calls() -> int:
        counted = Counted(F.cross_entropy)
        of_module(model, *states, loss=counted, loader=loader, journal=tmp_path / "own.jsonl")
        return counted.calls

    assert [calls(), calls()] == [39, 0]
    states[1]["4.bias"][0] += 1e-3
    assert calls() == 39
    model[1].running_var[0] += 1e-3
    assert calls() == 39


def test_what_is_no_number_is_infinite(tmp_path: Path) -> None:
    def loss(module: Quadratic) -> float:
        value = float(module.loss())
        return np.nan if value > 4.5 else -np.inf if value > 4 else value

    for surface in (quadratic(loss=loss, journal=tmp_path / "own.jsonl") for _ in range(2)):  # fresh and resumed
        values, true = surface.panel("train_loss").values, quadratic().panel("train_loss").values
        assert (true > 4.5).any()
        assert ((true > 4) & (true <= 4.5)).any()
        np.testing.assert_array_equal(values, np.where(true > 4, np.inf, true))
        assert surface.measured.all()
        surface.plot()
        assert Surface.load(surface.save(tmp_path / "s.nc")).values.identical(surface.values)
        plt.close("all")


def test_a_stored_surface_loads_unchanged(tmp_path: Path) -> None:
    surface = quadratic(labels=("start", "left", "right"))
    loaded = Surface.load(surface.save(tmp_path / "s.nc"))
    assert loaded.values.identical(surface.values)
    assert loaded.values["train_loss"].attrs == surface.values["train_loss"].attrs
    assert loaded.marks == surface.marks
    assert loaded.about == surface.about
    assert loaded.to_dataframe().equals(surface.to_dataframe())
    assert Surface.load(loaded.save(tmp_path / "t.nc")).values.identical(surface.values)
    again = quadratic(labels=("start", "left", "right")).save(tmp_path / "u.nc")
    assert again.read_bytes() == (tmp_path / "s.nc").read_bytes()
    program = (
        f"import sys; from landscape.surface import Surface; s = Surface.load({str(tmp_path / 's.nc')!r}); s.plot(); "
        "s._repr_html_(); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_everything_downstream_works() -> None:
    surface = quadratic(
        labels=("start", "left", "right"), where=Where(x_range=(0.5, 2.0), y_range=(0.0, 9.0)), key="w A w / 2"
    )
    figure = surface.plot()
    (axes,) = figure.axes
    assert axes.get_title() == "loss"
    assert axes.child_axes[0].get_ylabel() == "loss"
    assert {text.get_text() for text in axes.texts} == {"start", "left", "right"}
    figure.canvas.draw()
    plt.close(figure)
    table = surface.to_dataframe()
    assert list(table.columns) == ["x", "y", "train_loss", "measured"]
    np.testing.assert_array_equal(table["train_loss"], surface.panel("train_loss").values.ravel())
    assert len(marks_table(surface)) == 3
    for text in (surface._repr_html_(), report(surface)):
        assert "start: weights of Quadratic" in text
        assert "start lies outside" in text
    assert "own, in its own unit" in report(surface)
    assert surface.about["provenance"]["inputs"]["loss and data"] == "w A w / 2"


def named(change: Callable[[dict[str, torch.Tensor]], object]) -> dict[str, torch.Tensor]:
    changed = weights(2)
    change(changed)
    return changed


@pytest.mark.parametrize(
    ("b", "message"),
    [
        (named(lambda w: w.pop("second")), "w2 has no weights for 'second'; expected .* Quadratic"),
        (named(lambda w: w.update(second=torch.ones(3))), r"'second' of w2 has shape \(3,\), in the model \(2,\)"),
        (named(lambda w: w.update(third=torch.ones(3))), "w2 holds 'third', which the model does not"),
        (nn.Linear(2, 2), "w2 has no weights for 'first'"),
        ("RUN@swa", "w2 is a str; expected a state dict"),
        (weights(1), "w1 and w2 have identical weights"),
        ({k: (v + weights(3)[k]) / 2 for k, v in weights(1).items()}, "w1, w2 and w3 lie on one line"),
        (named(lambda w: w["first"].fill_(np.nan)), "w2 has values that are not finite"),
    ],
)
def test_weights_that_do_not_fit(b: object, message: str) -> None:
    counted = Counted(Quadratic.loss)
    with pytest.raises(InputError, match=message) as caught:
        of_module(Quadratic(), weights(1), b, weights(3), loss=counted)
    assert "\n" not in str(caught.value)
    assert not counted.calls


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": lambda m: m.second}, r"the loss returned a tensor of shape \(2,\); expected one number"),
        ({"loss": lambda m: {"loss": m.loss()}}, "the loss returned a dict; expected one number"),
        ({"loss": lambda m: None}, "the loss returned a NoneType"),
        ({"loss": lambda m: m.loss() * torch.rand(())}, "the loss is random"),
        ({"loss": 3.0}, "the loss is a float; expected a function"),
        ({"loss": F.mse_loss, "loader": []}, "the loader is empty"),
        ({"labels": ("a", "b")}, "got 2 labels"),
    ],
)
def test_losses_that_cannot_be_used(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        quadratic(**options)
    assert "\n" not in str(caught.value)


def test_the_command_draws_it_again_but_makes_no_page_of_it(tmp_path: Path) -> None:
    from landscape.surface.__main__ import main

    stored = quadratic().save(tmp_path / "own.nc")
    main(["--plot-only", str(stored), "--format", "png"])
    assert (tmp_path / "own.png").stat().st_size > 1000
    with pytest.raises(InputError, match="has no page; leave html out"):
        main(["--plot-only", str(stored), "--format", "html"])
