"""Domains in the plane: the simulated worlds are what they are said to be."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.spatial import Delaunay
from torch import nn

from landscape.toy import planar_domains
from landscape.toy.planar_domains import Setting, simulate

SMALL = Setting(worlds=8, target_per_class=30, codes=24, hidden=6, steps=25)


@pytest.fixture(scope="module")
def outcome() -> planar_domains.Outcome:
    return simulate(SMALL, seed=3)


def test_a_world_does_not_depend_on_how_many_there_are(outcome: planar_domains.Outcome) -> None:
    fewer = simulate(replace(SMALL, worlds=3), seed=3)
    np.testing.assert_array_equal(fewer.accuracy, outcome.accuracy[:3])
    np.testing.assert_array_equal(fewer.shown[0].decisions, outcome.shown[0].decisions)
    assert not np.array_equal(simulate(replace(SMALL, worlds=3), seed=4).accuracy, fewer.accuracy)


def test_interpolated_codes_stay_in_the_hull_of_their_class(outcome: planar_domains.Outcome) -> None:
    for world in outcome.shown:
        for label in (0, 1):
            hull = Delaunay(world.sources[world.source_labels == label].astype(float))
            inner, outer = (mixed[world.mixed_labels == label].astype(float) for mixed in world.mixed)
            assert (hull.find_simplex(inner, tol=1e-5) >= 0).all()
            assert (hull.find_simplex(outer) < 0).any()


def test_the_share_of_extrapolated_codes_is_the_closed_form() -> None:
    # 3 w - 2/3 < 0 where w < 2/9: of the triangle of weights, all but a third-sized one extrapolates.
    found = simulate(Setting(worlds=10, codes=800, steps=1, target_per_class=4), seed=0).extrapolated
    assert found == pytest.approx(8 / 9, abs=0.015)


def test_the_shown_worlds_are_the_first_and_the_two_extremes(outcome: planar_domains.Outcome) -> None:
    first, best, worst = outcome.shown
    gain = outcome.gain[:, 1]
    assert first.index == 0
    assert gain[best.index] == gain.max()
    assert gain[worst.index] == gain.min()
    np.testing.assert_array_equal(best.accuracy, outcome.accuracy[best.index])


def test_training_all_worlds_at_once_is_training_each_alone(outcome: planar_domains.Outcome) -> None:
    world = outcome.shown[1]
    start = [tensor[world.index] for tensor in planar_domains._initial(SMALL, 3)]
    network = nn.Sequential(nn.Linear(2, SMALL.hidden), nn.ReLU(), nn.Linear(SMALL.hidden, 2))
    with torch.no_grad():
        for own, given in zip(network.parameters(), start, strict=True):
            own.copy_(given.T if given.shape[0] > 1 else given[0])
    codes = torch.from_numpy(np.concatenate([world.sources.reshape(-1, 2), world.mixed[1]]))
    labels = torch.from_numpy(np.concatenate([world.source_labels.ravel(), world.mixed_labels]))
    optimizer = torch.optim.Adam(network.parameters(), lr=SMALL.lr)
    for _ in range(SMALL.steps):
        optimizer.zero_grad()
        F.cross_entropy(network(codes), labels).backward()
        optimizer.step()
    yy, xx = np.meshgrid(world.y, world.x, indexing="ij")
    with torch.no_grad():
        grid = torch.from_numpy(np.stack([xx, yy], -1))
        np.testing.assert_allclose(network(grid).softmax(-1)[..., 1], world.decisions[2], atol=1e-4)
        right = network(torch.from_numpy(world.target)).argmax(-1) == torch.from_numpy(world.target_labels)
    assert right.double().mean() == pytest.approx(world.accuracy[2])


def test_the_reach_of_a_hull_is_where_its_border_is() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        points, angle = rng.normal(size=(5, 2)), rng.uniform(0, 2 * np.pi)
        direction = np.array([np.cos(angle), np.sin(angle)])
        reach = planar_domains._reach(points, direction)
        at = points.mean(0) + np.array([[0.999], [1.001]]) * reach * direction
        np.testing.assert_array_equal(Delaunay(points).find_simplex(at) >= 0, [True, False])
