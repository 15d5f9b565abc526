"""Faults of older landscape tools, one test each, so that they stay theirs; and their values where they are right.

That the axes are orthogonal where float32 leaves them 6e-2 apart is in ``test_plane.py``; flatness under both
definitions that people use in ``tests/flatness/test_flatness_curve.py``.
"""

import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from landscape.compute import Compute
from landscape.evaluation import Evaluator
from landscape.surface import Plane, Surface, Trajectory
from landscape.surface.__main__ import SurfaceOptions, command
from landscape.surface.grid import Grid
from landscape.surface.measure import measure
from landscape.surface.meter import Meter
from landscape.surface.plan import Plan
from landscape.surface.recipe import Where
from landscape.surface.setting import Setting


def test_a_grid_that_is_not_square_in_shape_or_range_keeps_its_coordinates(task, linear) -> None:
    """A non-square grid scrambles its coordinates."""
    network, weights = linear
    anchors = [weights(seed) for seed in range(3)]
    options = {"network": network, "where": Where(points=4, x_range=(-1.0, 2.0), y_range=(0.0, 0.3)), "progress": False}
    surface = Surface.through(*anchors, task, compute=Compute(precision="fp64"), **options)
    evaluator = Evaluator(network, task.images.pixels, task.images.labels, precision="fp64")
    plane = Plane.through(*anchors)
    for i, y in enumerate(surface.y):
        for j, x in enumerate(surface.x):
            loss = evaluator.at(plane.at(float(x), float(y))).loss[task.rows("sketch")].mean()
            assert surface.panel("test_loss").values[i, j] == pytest.approx(loss, rel=1e-9)
    table = surface.to_dataframe()
    assert table[["x", "y"]].drop_duplicates().shape[0] == 16


def test_a_grid_with_more_rows_than_columns_keeps_its_coordinates(task, linear) -> None:
    """The same, for a grid that is not square."""
    network, weights = linear
    plan = Plan.of(
        Setting.through(*map(weights, range(3)), task, network=network), where=Where(points=2), progress=False
    )
    square = measure(plan, compute=Compute(precision="fp64"), progress=False)
    tall = Grid(plan.grid.x, np.linspace(plan.grid.y[0], plan.grid.y[1], 3))
    surface = measure(replace(plan, grid=tall), compute=Compute(precision="fp64"), progress=False)
    loss = surface.panel("train_loss")
    assert loss.shape == (3, 2)
    np.testing.assert_array_equal(loss.values[[0, 2]], square.panel("train_loss").values)
    evaluator = Evaluator(network, task.images.pixels, task.images.labels, precision="fp64")
    direct = evaluator.at(plan.plane.at(float(tall.x[1]), float(tall.y[1]))).loss[task.source_rows("in")].mean()
    assert loss.values[1, 1] == pytest.approx(direct, rel=1e-9)


def test_a_cell_whose_true_value_is_zero_is_done(task, linear, tmp_path, monkeypatch) -> None:
    """A cell whose true value is 0.0 is taken for missing, and recomputed for ever."""
    network, weights = linear
    anchors = [weights(seed) for seed in range(3)]
    for each in anchors:  # class 0 of 3 wins by far: accuracy is 0 on images of the others
        each["linear.bias"] = each["linear.bias"] + torch.tensor([100.0, 0.0, 0.0])
    task.images.labels[:] = 1
    options = {"network": network, "where": Where(points=3), "journal": tmp_path / "j.jsonl", "progress": False}
    first = Surface.through(*anchors, task, **options)
    assert (first.panel("test_accuracy").values == 0).all()
    monkeypatch.setattr(Meter, "at", lambda *_: pytest.fail("recomputed"))
    assert Surface.through(*anchors, task, **options).values.identical(first.values)


def test_a_range_that_starts_at_zero_is_a_range() -> None:
    """``--y=0:1:5`` is rejected."""
    arguments = ["a", "b", "c", "--y-range", "0", "1", "--points", "5"]
    parsed = command.parse(SurfaceOptions, prog="surface", description="", args=arguments)
    assert parsed.where.y_range == (0.0, 1.0)


def test_what_is_no_number_does_not_become_the_mean(task, linear) -> None:
    """NaN becomes the mean of the other cells."""
    network, weights = linear
    anchors = [weights(0), weights(1), weights(2, scale=5e37)]
    surface = Surface.through(
        *anchors, task, network=network, where=Where(points=3, y_range=(0.0, 1e39)), progress=False
    )
    loss = surface.panel("train_loss").values
    assert np.isinf(loss[-1]).all()
    assert np.isfinite(loss[0]).all()


def test_the_callers_model_stays_where_it_is(task, network_of) -> None:
    """The caller's model stays moved after the call, also after one that failed."""
    network = network_of(0).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    pointers = [p.data_ptr() for p in network.parameters()]
    anchors = [{n: p.detach().clone() for n, p in network_of(seed).named_parameters()} for seed in range(3)]
    Surface.through(*anchors, task, network=network, where=Where(points=2), progress=False)
    network.featurizer.register_forward_hook(_fail)
    with pytest.raises(ZeroDivisionError):
        Surface.through(*anchors, task, network=network, where=Where(points=2), progress=False)
    assert network.training
    assert [p.data_ptr() for p in network.parameters()] == pointers
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def _fail(*_):
    raise ZeroDivisionError


def test_a_path_is_projected_one_point_at_a_time() -> None:
    """All weight vectors of a path are held in memory at once."""
    generator = torch.Generator().manual_seed(0)
    anchors = [{"w": torch.randn(100, generator=generator)} for _ in range(3)]
    alive: list[weakref.ref] = []
    most = 0

    def points():
        nonlocal most
        for step in range(10):
            tensor = torch.randn(100, generator=generator)
            alive.append(weakref.ref(tensor))
            most = max(most, sum(each() is not None for each in alive))
            yield step, {"w": tensor}
            del tensor

    Trajectory.of(Plane.through(*anchors), points())
    assert most <= 2


@pytest.mark.parametrize("double", [True, False])
def test_loss_landscape_3d_gives_the_same_values(task, network_of, double) -> None:
    """The fastest exact peer; ``pip install --no-deps loss-landscape-3d==0.1.3`` to run this."""
    calculator = pytest.importorskip("loss_landscape_3d.calculator", reason="needs loss-landscape-3d")
    anchors = [dict(network_of(seed).named_parameters()) for seed in range(3)]
    network = network_of(0)
    surface = Surface.through(
        *[{n: p.detach() for n, p in each.items()} for each in anchors],
        task,
        network=network,
        where=Where(points=3),
        compute=Compute(precision="fp64" if double else "fp32"),
        progress=False,
    )
    plane = Plane.through(*[{n: p.detach() for n, p in each.items()} for each in anchors])
    dtype = torch.float64 if double else torch.float32
    peer, rows = network_of(0).to(dtype), task.rows("sketch")
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (peer.mean, peer.std))
    images = (torch.from_numpy(task.images.pixels[rows]).permute(0, 3, 1, 2).float() / 255 - mean) / std
    data = [(images.to(dtype), torch.from_numpy(task.images.labels[rows]))]

    def cast(vector):
        return {name: tensor.to(dtype) for name, tensor in vector.items()}

    loss = calculator.LossLandscapeCalculator(peer, data, nn.CrossEntropyLoss()).calculate(
        surface.x, surface.y, cast(plane.e1), cast(plane.e2), cast(plane.origin)
    )
    np.testing.assert_allclose(surface.panel("test_loss").values, loss.T, rtol=1e-6 if double else 1e-4)
