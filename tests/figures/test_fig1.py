"""Figure 1: the simulated worlds are what they are said to be, and the counts are counted right."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import stats
from scipy.spatial import Delaunay
from torch import nn

from landscape.figures import fig1, plane
from landscape.figures.plane import Setting, simulate
from landscape.figures.study import Study

SMALL = Setting(worlds=8, target_per_class=30, codes=24, hidden=6, steps=25)


@pytest.fixture(scope="module")
def outcome() -> plane.Outcome:
    return simulate(SMALL, seed=3)


def test_a_world_does_not_depend_on_how_many_there_are(outcome: plane.Outcome) -> None:
    fewer = simulate(replace(SMALL, worlds=3), seed=3)
    np.testing.assert_array_equal(fewer.accuracy, outcome.accuracy[:3])
    np.testing.assert_array_equal(fewer.shown[0].decisions, outcome.shown[0].decisions)
    assert not np.array_equal(simulate(replace(SMALL, worlds=3), seed=4).accuracy, fewer.accuracy)


def test_interpolated_codes_stay_in_the_hull_of_their_class(outcome: plane.Outcome) -> None:
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


def test_the_shown_worlds_are_the_first_and_the_two_extremes(outcome: plane.Outcome) -> None:
    first, best, worst = outcome.shown
    gain = outcome.gain[:, 1]
    assert first.index == 0
    assert gain[best.index] == gain.max()
    assert gain[worst.index] == gain.min()
    np.testing.assert_array_equal(best.accuracy, outcome.accuracy[best.index])


def test_training_all_worlds_at_once_is_training_each_alone(outcome: plane.Outcome) -> None:
    world = outcome.shown[1]
    start = [tensor[world.index] for tensor in plane._initial(SMALL, 3)]
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
        reach = plane._reach(points, direction)
        at = points.mean(0) + np.array([[0.999], [1.001]]) * reach * direction
        np.testing.assert_array_equal(Delaunay(points).find_simplex(at) >= 0, [True, False])


def test_shares_and_means_have_the_intervals_of_the_textbook() -> None:
    gain = np.array([0.02, 0.01, -0.3, 0.0, 0.009, -0.01, 0.5, 0.0])
    found = fig1._count(gain)
    assert (found["n"], found["helps"], found["hurts"]) == (8, 3 / 8, 2 / 8)
    z, p, n = stats.norm.ppf(0.975), 3 / 8, 8
    middle, half = p + z**2 / (2 * n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    scaled = np.array([middle - half, middle + half]) / (1 + z**2 / n)
    assert [found["helps_low"], found["helps_high"]] == pytest.approx(scaled)
    interval = stats.ttest_1samp(gain, 0).confidence_interval(0.95)
    assert [found["mean_low"], found["mean_high"]] == pytest.approx([interval.low, interval.high])
    assert np.isnan(fig1._count(gain[:0])["helps"])


@pytest.mark.parametrize(("shift", "verdict"), [(0.3, "it helps"), (-0.3, "it hurts"), (0.0, "undecided")])
def test_the_verdict_follows_the_interval(shift: float, verdict: str) -> None:
    gain = shift + np.array([-0.02, 0.02, 0.01, -0.01])
    assert verdict in fig1._finding(fig1._count(gain), len(gain))


def test_the_item(make_study: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fig1, "SETTING", SMALL)
    study: Study = make_study(seeds=(3,))  # type: ignore[operator]
    product = fig1.make(study)
    assert len(product.tables["draws"]) == SMALL.worlds
    assert product.tables["directions"]["n"].sum() == SMALL.worlds
    assert product.tables["shares"].against.tolist() == ["no mixup", "interpolation"]
    assert "seed 3" in product.caption
    assert product.finding.startswith("On 8 random targets")
