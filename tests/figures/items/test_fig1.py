"""Figure 1: the counts are counted right."""

import numpy as np
import pytest
from scipy import stats

from landscape.figures.items import fig1
from landscape.figures.machinery.study import Study
from landscape.toy.planar_domains import Setting

SMALL = Setting(worlds=8, target_per_class=30, codes=24, hidden=6, steps=25)


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
