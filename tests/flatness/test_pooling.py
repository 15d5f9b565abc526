"""Curves of several targets as one, and methods measured one by one as one result."""

from dataclasses import replace

import numpy as np
import pytest

from landscape.errors import InputError
from landscape.flatness import Flatness, FlatnessCurve
from landscape.flatness.measure import measure
from landscape.flatness.pooling import PooledCurve, pooled
from landscape.flatness.recipe import Recipe
from landscape.flatness.setting import Setting

GAMMA = np.array([0.0, 1.0, 2.0])


def curve_of(scale: float, *, method: str = "ERM", seed: int = 0) -> FlatnessCurve:
    samples = scale * np.random.default_rng(seed).normal(0.5, 1.0, (2, 3, 30)) * GAMMA[:, None]
    return FlatnessCurve(method, GAMMA, ("original", "shared"), samples, np.ones(2))


def test_the_mean_over_targets_is_the_mean_of_their_means() -> None:
    curves = [curve_of(scale, seed=seed) for seed, scale in enumerate((1.0, 2.0, 5.0))]
    together = pooled(curves)
    for statistic in ("squared", "signed", "absolute"):
        expected = np.mean([curve.mean(statistic, "shared") for curve in curves], axis=0)
        np.testing.assert_allclose(together.mean(statistic, "shared"), expected)
        low, high = together.interval(statistic, "shared")[2]
        assert low < expected[2] < high


def test_directions_are_resampled_for_all_targets_at_once() -> None:
    # The same samples in every target: as many targets as one likes say no more than one.
    curve = curve_of(1.0)
    np.testing.assert_allclose(pooled([curve] * 4).interval(), curve.interval())


def test_curves_that_do_not_belong_together_are_refused() -> None:
    first = curve_of(1.0)
    for other in (curve_of(1.0, method="A"), replace(first, gamma=2 * GAMMA), replace(first, losses=("a", "b"))):
        with pytest.raises(InputError, match="differ in"):
            pooled([first, other])
    seeds = [replace(first, about={"direction_seed": seed}) for seed in (0, 1)]
    with pytest.raises(InputError, match="along other directions"):
        pooled([first, *seeds])
    assert pooled([first, *seeds[:1]]).curves  # a curve of another tool says nothing of its directions
    with pytest.raises(InputError, match="no curve"):
        PooledCurve(())


def settings(task, network, checkpoint_of) -> list[Setting]:
    erm, a, fgmix = (checkpoint_of(name, seed) for seed, name in enumerate(("erm", "a", "fgmix")))
    options = {"network": network, "groups_from": fgmix, "progress": False}
    return [Setting.of(given, task, **options) for given in ([erm], [a], [fgmix], [erm, a, fgmix])]


def test_one_by_one_is_the_same_as_together_along_the_same_directions(task, network, checkpoint_of) -> None:
    *alone, together = (
        measure(setting, recipe=Recipe(scope=("full",), gammas=(0.5, 1.0), directions=4), progress=False)
        for setting in settings(task, network, checkpoint_of)
    )
    joined = Flatness.joined(alone)
    assert joined.methods == together.methods == ("ERM", "A", "FGMix")
    for mine, theirs in zip(joined.curves, together.curves, strict=True):
        np.testing.assert_array_equal(mine.samples, theirs.samples)
    assert joined.about["shared"] == together.about["shared"]


def test_results_along_other_directions_or_of_other_losses_are_not_joined(task, network, checkpoint_of) -> None:
    erm, a, *_ = settings(task, network, checkpoint_of)

    def of(setting, **options):
        given = {"gammas": (0.5,), "directions": 2, **options}
        return measure(setting, Recipe(scope=("full",), **given), progress=False)

    first = of(erm)
    for other, words in (
        (of(a, direction_seed=1), "direction_seed"),
        (of(a, directions=3), "directions"),
        (of(a, gammas=(0.7,)), "gammas"),
        (of(replace(a, groups=a.policies[0])), "shared"),
    ):
        with pytest.raises(InputError, match=words):
            Flatness.joined([first, other])
