"""Lowest points and distances on surfaces whose minima are known."""

import math

import numpy as np
import pytest

from landscape.errors import InputError
from landscape.surface.shift import distance, domain_lowest, grid_error, lowest, shift_of
from landscape.surface.surface import Mark, Surface, empty_values

X, Y = np.linspace(0.0, 4.0, 9), np.linspace(-1.0, 2.0, 7)  # steps of a half
CENTRES = {"photo": (2.0, 0.0), "clipart": (3.0, 0.5), "sketch": (1.0, 1.0)}
UNIT = 2.0


def bowl(centre: tuple[float, float]) -> np.ndarray:
    xx, yy = np.meshgrid(X, Y)
    return 0.3 + (xx - centre[0]) ** 2 + (yy - centre[1]) ** 2


def surface_of(accuracy: np.ndarray, train: tuple[float, float] = (2.5, 0.5), n: int = 100) -> Surface:
    panels = ["train_loss", "test_loss", "test_accuracy", "test_balanced_accuracy"]
    values = empty_values(X, Y, panels=panels, domains=tuple(CENTRES), n=np.array([[40, 10]] * 3))
    values["train_loss"][:] = bowl(train)
    values["test_loss"][:] = bowl(CENTRES["sketch"])
    values["test_accuracy"][:] = accuracy
    values["test_balanced_accuracy"][:] = accuracy
    for index, centre in enumerate(CENTRES.values()):
        values["loss"][index, 0] = bowl(centre)
        values["loss"][index, 1] = bowl((0.0, 0.0))  # held-out images: must not count
    at = {"train_loss": 1.0, "test_loss": 1.0, "test_accuracy": 0.5}
    anchors = [(0.0, 0.0), (UNIT, 0.0), (2.0, 0.5)]
    marks = tuple(Mark(f"w{i}", "", "anchor", x, y, 0.0, at, at) for i, (x, y) in enumerate(anchors, start=1))
    return Surface(values, marks, (), {"target": "sketch", "sources": ["photo", "clipart"], "n": {"test": n}})


def test_distances_are_those_of_the_centres() -> None:
    accuracy = np.zeros((len(Y), len(X)))
    accuracy[2:4, 3:5] = 0.8  # x 1.5 and 2, y 0 and 0.5
    shift = shift_of(surface_of(accuracy))
    assert (shift.train.x, shift.train.y, shift.target.x, shift.target.y) == (2.5, 0.5, 1.0, 1.0)
    assert shift.to_loss == pytest.approx(math.hypot(1.5, 0.5) / UNIT)
    assert (shift.best, shift.best_points) == ((1.75, 0.25), 4)
    assert shift.to_accuracy == pytest.approx(math.hypot(0.75, 0.25) / UNIT)
    assert shift.error == pytest.approx(math.hypot(0.5, 0.5) / UNIT)
    assert shift.standard_error == pytest.approx(0.04)
    assert not shift.at_edge


def test_the_best_region_is_one_standard_error_wide() -> None:
    accuracy = np.zeros((len(Y), len(X)))
    accuracy[0, 0], accuracy[0, 1], accuracy[0, 2] = 0.8, 0.765, 0.755  # 0.04 below the best: 0.76
    shift = shift_of(surface_of(accuracy))
    assert shift.best_points == 2
    assert shift.best == (0.25, -1.0)
    # Four times as many images, half the error: only the best point is left.
    assert shift_of(surface_of(accuracy, n=400)).best_points == 1


def test_every_domain_has_its_own_minimum_on_its_training_images() -> None:
    surface = surface_of(np.full((len(Y), len(X)), 0.5))
    found = domain_lowest(surface)
    assert {name: (each.x, each.y) for name, each in found.items()} == CENTRES
    assert list(found) == ["photo", "clipart", "sketch"]
    assert distance(found["photo"], found["clipart"]) == pytest.approx(math.hypot(1.0, 0.5))
    assert not any(each.at_edge for each in found.values())
    assert grid_error(surface) == pytest.approx(math.hypot(0.5, 0.5))


def test_a_minimum_on_the_border_is_said_to_be_there() -> None:
    assert shift_of(surface_of(np.full((len(Y), len(X)), 0.5), train=(9.0, 0.5))).train.at_edge


def test_what_was_not_evaluated_or_overflowed_is_no_minimum() -> None:
    surface = surface_of(np.full((len(Y), len(X)), 0.5))
    values = bowl((2.0, 0.0))
    values[2, 4] = np.nan
    values[0, 0] = -np.inf
    assert (lowest(surface, values, "x").x, lowest(surface, values, "x").y) != (2.0, 0.0)
    with pytest.raises(InputError, match="finite nowhere"):
        lowest(surface, np.full((len(Y), len(X)), np.inf), "x")
