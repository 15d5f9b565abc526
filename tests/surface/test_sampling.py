"""A sample's estimate is unbiased, and its interval holds what it promises."""

import numpy as np
import pytest

from landscape.errors import InputError
from landscape.surface import Surface
from landscape.surface.recipe import Recipe, Where
from landscape.surface.sampling import Sample, stratum_masks


@pytest.fixture
def big(make):
    return make(per_class=40)


def test_every_stratum_has_at_least_two_and_the_whole_is_exact(big) -> None:
    sample = Sample.of(big, 10, seed=0)
    drawn = np.bincount(sample.stratum, minlength=len(sample.size))
    assert (drawn == np.minimum(2, sample.size)).all()
    assert (np.diff(sample.rows) > 0).all()
    # All images: the mean itself, without an interval.
    whole = Sample.of(big, len(big.images), seed=0)
    values = np.random.default_rng(0).exponential(size=len(whole))
    train, test = stratum_masks(whole, big)
    mean, half = whole.estimate(values, train)
    assert mean == pytest.approx(values[np.isin(whole.rows, big.source_rows("in"))].mean())
    assert half == 0
    balanced, _ = whole.estimate(values, test, "classes")
    labels, rows = big.images.labels, big.target_rows()
    assert balanced == pytest.approx(np.mean([values[rows[labels[rows] == k]].mean() for k in range(3)]))


def test_the_draws_are_those_of_stored_results(big) -> None:
    assert Sample.of(big, 10, seed=0).rows[:12].tolist() == [2, 17, 18, 19, 53, 61, 67, 75, 90, 94, 108, 117]


def test_the_interval_covers_the_truth_about_as_often_as_it_says(big) -> None:
    rng = np.random.default_rng(1)
    # Strata differ a lot: a sample that ignored them would be far wider.
    everything = rng.gamma(2.0, size=len(big.images)) + 3 * big.images.labels + 2 * big.images.domain
    truth = everything[big.target_rows()].mean()
    hits, widths, errors = [], [], []
    for seed in range(300):
        sample = Sample.of(big, 160, seed=seed)
        _, test = stratum_masks(sample, big)
        mean, half = sample.estimate(everything[sample.rows], test)
        hits.append(abs(mean - truth) <= half)
        errors.append(mean - truth)
        widths.append(half)
    assert 0.90 <= np.mean(hits) <= 0.99
    assert abs(np.mean(errors)) < 3 * np.std(errors) / np.sqrt(300)
    assert np.mean(widths) < 1.96 * everything[big.target_rows()].std() / np.sqrt(40)


def test_a_sampled_surface_is_near_the_whole_one(big, linear) -> None:
    network, weights = linear
    anchors = [weights(seed) for seed in range(3)]
    options = {"network": network, "where": Where(points=3), "progress": False}
    whole = Surface.through(*anchors, big, **options)
    part = Surface.through(*anchors, big, recipe=Recipe(subset=120), **options)
    assert part.about["n"]["evaluated"] < part.about["n"]["images"] == len(big.images)
    for name in ("train_loss", "test_loss", "test_accuracy", "test_balanced_accuracy"):
        half = part.half_width(name).values
        assert (half > 0).all()
        assert (np.abs(part.panel(name).values - whole.panel(name).values) <= 2.5 * half).all()
    assert "half_test_loss" in part.to_dataframe()
    assert any("a stratified sample of" in note for note in part.about["notes"])
    with pytest.raises(InputError, match="no intervals: it is over all images"):
        whole.half_width("train_loss")
    # A sample as large as the data is the data.
    same = Surface.through(*anchors, big, recipe=Recipe(subset=10**6), **options)
    np.testing.assert_allclose(same.panel("test_loss").values, whole.panel("test_loss").values, rtol=1e-12)
    per_domain = [surface.panel("loss", domain="photo", split="in").values for surface in (same, whole)]
    np.testing.assert_allclose(*per_domain, rtol=1e-12)


def test_an_impossible_sample_is_refused(big, linear) -> None:
    network, weights = linear
    with pytest.raises(InputError, match="--subset is 0"):
        Surface.through(*(weights(s) for s in range(3)), big, network=network, recipe=Recipe(subset=0), progress=False)
