"""Refinement measures where it has to, says how wrong it is, and is exact where it measured."""

import math

import numpy as np
import pytest

from landscape.errors import InputError
from landscape.surface import Surface
from landscape.surface.recipe import Recipe, Where
from landscape.surface.refine import refine


def measured_by(function, shape, tolerance):
    asked = []

    def evaluate(cell):
        asked.append(cell)
        return {"train_loss": function(*cell), "test_accuracy": 0.5}

    return refine(shape, evaluate, tolerance), asked


def test_a_smooth_surface_needs_few_points() -> None:
    refined, asked = measured_by(lambda i, j: math.exp(0.01 * i + 0.02 * j), (33, 33), 0.01)
    assert len(asked) == len(set(asked)) == refined.measured.sum() < 33 * 33 / 6
    assert refined.held_out == math.ceil(0.05 * 33 * 33)
    assert refined.error["train_loss"]["max"] < 0.01
    assert refined.measured[0, 0]
    assert refined.measured[-1, -1]


def test_a_narrow_ridge_is_found_and_refined() -> None:
    def ridge(i, j):
        return 0.1 + 5 * math.exp(-((i - j) ** 2) / 8)

    refined, asked = measured_by(ridge, (33, 33), 0.05)
    # Dense on the ridge, sparse away from it.
    distance = np.abs(np.subtract.outer(range(33), range(33)))
    near, far = refined.measured[distance < 4].mean(), refined.measured[distance > 16].mean()
    assert near > 2.5 * far
    assert len(asked) == refined.measured.sum() < 33 * 33 / 2
    assert refined.error["train_loss"]["mean"] < 0.05


def test_what_held_out_points_say_is_their_true_error() -> None:
    noise = np.random.default_rng(0).uniform(0, 1, (17, 17))
    # Nothing can predict noise: with a huge tolerance it is left alone, and the error says so.
    refined, _ = measured_by(lambda i, j: 1 + noise[i, j], (17, 17), 100.0)
    assert refined.measured.mean() < 0.4
    assert refined.error["train_loss"]["mean"] > 0.1
    # With a small one everything is measured.
    refined, _ = measured_by(lambda i, j: 1 + noise[i, j], (17, 17), 1e-9)
    assert refined.measured.all()
    assert refined.error == {}


def test_losses_that_overflow_are_refined_around() -> None:
    refined, _ = measured_by(lambda i, j: math.inf if i > 12 and j > 12 else 1.0, (17, 17), 0.1)
    assert refined.measured[12:, 12:].mean() > 0.6
    assert refined.measured[:8, :8].mean() < 0.5


@pytest.mark.parametrize("shape", [(2, 2), (3, 7), (10, 4), (25, 25)])
def test_any_grid_can_be_refined(shape) -> None:
    refined, asked = measured_by(lambda i, j: (i * 7 + j * 13) % 5 + 1.0, shape, 1e-6)
    assert refined.measured.all()
    assert len(asked) == shape[0] * shape[1]


def test_a_tolerance_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(InputError, match="--adaptive is 0"):
        refine((3, 3), lambda cell: {}, 0.0)


def test_an_adaptive_surface_equals_the_full_one_where_it_was_measured(task, linear, tmp_path) -> None:
    network, weights = linear
    anchors = [weights(seed) for seed in range(3)]
    options = {"network": network, "where": Where(points=17), "progress": False}
    whole = Surface.through(*anchors, task, **options)
    found = Surface.through(*anchors, task, recipe=Recipe(adaptive=0.1), **options)
    measured = found.measured
    assert 25 <= measured.sum() < measured.size
    assert found.about["adaptive"]["measured"] == measured.sum()
    for name in ("train_loss", "test_loss", "test_accuracy"):
        a, b = found.panel(name).values, whole.panel(name).values
        assert a[measured].tolist() == b[measured].tolist()
    # The loss of a linear model is smooth: the whole is within the tolerance or so.
    loss, true = found.panel("train_loss").values, whole.panel("train_loss").values
    assert (np.abs(loss - true) / np.maximum(1, true)).max() < 0.2
    error = found.about["adaptive"]["error"]["train_loss"]
    assert error["mean"] <= error["max"]
    # It survives its file, and says in words how good it is.
    stored = Surface.load(found.save(tmp_path / "surface.nc"))
    assert (stored.measured == measured).all()
    from landscape.surface.report import report

    assert f"measured {measured.sum()} of 289 points" in report(stored)
    assert "held out and then measured" in report(stored)
