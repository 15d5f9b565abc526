"""A stratified choice keeps the shares, and the draws that stored results were made with."""

from collections.abc import Callable

import numpy as np
import pytest

from landscape.data import DomainImages, Task, split_images
from landscape.data.strata import draw_strata, stratified
from landscape.errors import InputError


@pytest.fixture
def task(made_up: Callable[..., DomainImages]) -> Task:
    images = made_up([[30, 7, 1], [12, 25, 9], [8, 40, 3]])
    return Task(images, split_images(images, seed=0), "c")


@pytest.mark.parametrize("count", [1, 20, 61])
def test_a_subset_keeps_the_shares(task: Task, count: int) -> None:
    rows = task.source_rows("in")
    some = stratified(task, rows, count, seed=0)
    assert set(some) <= set(rows)
    assert (np.diff(some) > 0).all()
    for d, k in np.ndindex(2, 3):
        inside = [int(((task.images.domain[r] == d) & (task.images.labels[r] == k)).sum()) for r in (some, rows)]
        assert abs(inside[0] - count * inside[1] / len(rows)) <= 0.5 or inside[0] == 1
    np.testing.assert_array_equal(some, stratified(task, rows, count, seed=0))
    assert not np.array_equal(some, stratified(task, rows, count, seed=1))


def test_the_draws_are_those_of_stored_results(task: Task) -> None:
    chosen = {seed: stratified(task, task.source_rows("in"), 9, seed=seed).tolist() for seed in (0, 3)}
    assert chosen[0] == [0, 5, 18, 29, 33, 37, 38, 54, 70, 81]
    assert chosen[3] == [3, 4, 11, 21, 33, 37, 42, 53, 63, 79]


def test_a_stratum_gives_at_least_so_many_as_it_has() -> None:
    strata = np.array([5, 5, 5, 5, 5, 5, 2, 2, 2, 9])
    places = draw_strata(strata, 4, lambda members, wanted, _: members[:wanted], least=2)
    assert places.tolist() == [0, 1, 6, 7, 9]
    told: list[tuple[int, int]] = []
    draw_strata(strata, 100, lambda members, wanted, stratum: told.append((stratum, wanted)) or members)
    assert told == [(2, 3), (5, 6), (9, 1)]


def test_a_choice_of_nothing_is_refused(task: Task) -> None:
    with pytest.raises(InputError, match="--images is 0; expected a number of images from 1"):
        stratified(task, task.source_rows("in"), 0, seed=0, flag="--images")
