"""Which images are compared."""

import itertools

import numpy as np
import pytest

from landscape.correlation.pairs import draw_groups, draw_pairs
from landscape.errors import InputError

EVEN = np.full((4, 3), 20)


def test_pairs_are_of_one_class_two_domains_and_the_part_asked_for(task_of) -> None:
    task = task_of(EVEN)
    for part in ("in", "out", "all"):
        pairs = draw_pairs(task, "ink", "clay", count=30, part=part)
        assert len(pairs) == 30
        labels = task.images.labels[pairs.rows]
        assert (labels == pairs.labels[:, None]).all()
        assert set(pairs.rows[:, 0]) <= set(task.rows("ink", part))
        assert set(pairs.rows[:, 1]) <= set(task.rows("clay", part))
        assert len({tuple(row) for row in pairs.rows}) == 30


def test_every_first_image_is_used_before_any_is_used_twice(task_of) -> None:
    task = task_of(EVEN)
    images = task.rows("ink", "in")
    pairs = draw_pairs(task, "ink", "clay", count=2 * len(images))
    first, second = np.split(pairs.rows[:, 0], 2)
    assert sorted(first) == sorted(second) == sorted(images)


def test_when_all_pairs_are_asked_for_all_come_once(task_of) -> None:
    counts = np.array([[5, 2, 3], [3, 0, 6], [4, 4, 4], [2, 2, 2]])
    task = task_of(counts)
    pairs = draw_pairs(task, "clay", "ink", count=10**6, part="all")
    labels = task.images.labels
    expected = {(a, b) for a, b in itertools.product(task.rows("clay"), task.rows("ink")) if labels[a] == labels[b]}
    assert len(expected) == 5 * 3 + 3 * 6
    assert sorted(map(tuple, pairs.rows.tolist())) == sorted(expected)


def test_draws_repeat_and_differ(task_of) -> None:
    task = task_of(EVEN)
    first = draw_pairs(task, "ink", "clay", count=30, seed=1)
    assert np.array_equal(first.rows, draw_pairs(task, "ink", "clay", count=30, seed=1).rows)
    # More pairs begin with the same ones.
    assert np.array_equal(first.rows, draw_pairs(task, "ink", "clay", count=40, seed=1).rows[:30])
    for other in ({"seed": 2}, {"seed": 1, "draw": 1}):
        assert not np.array_equal(first.rows, draw_pairs(task, "ink", "clay", count=30, **other).rows)


def test_partners_are_uniform(task_of) -> None:
    task = task_of(np.array([[3], [3], [3], [3]]))
    seen = [draw_pairs(task, "ink", "clay", count=3, part="all", draw=draw).rows for draw in range(600)]
    table = np.zeros((3, 3))
    for first, second in np.concatenate(seen):
        table[first - 3, second] += 1
    assert table.sum() == 1800
    # Each of the 9 pairs 200 times, give or take four deviations.
    assert abs(table - 200).max() < 4 * np.sqrt(200)


def test_groups_have_one_image_of_every_source(task_of) -> None:
    task = task_of(EVEN)
    groups = draw_groups(task, count=25)
    assert groups.rows.shape == (25, 3)
    for member, source in enumerate(task.sources):
        assert set(groups.rows[:, member]) <= set(task.rows(source, "in"))
    assert (task.images.labels[groups.rows] == groups.labels[:, None]).all()
    assert not np.array_equal(groups.rows, draw_groups(task, count=25, draw=1).rows)


def test_a_class_that_a_source_lacks_forms_no_group(task_of) -> None:
    task = task_of(np.array([[9, 9], [9, 0], [9, 9], [9, 9]]))
    assert set(draw_groups(task, count=100, part="all").labels) == {0}
    assert len(draw_groups(task, count=100, part="all")) == 27


def test_domains_without_a_common_class_are_refused(task_of) -> None:
    task = task_of(np.array([[9, 0], [0, 9], [9, 9], [9, 9]]))
    with pytest.raises(InputError, match="clay and ink share no class among their training images"):
        draw_pairs(task, "clay", "ink", count=5)
