"""The benchmarks' timing of several contenders."""

import runpy
from pathlib import Path

import numpy as np
import pytest

ROUNDS = Path(__file__).parents[2] / "benchmarks" / "rounds.py"


@pytest.fixture(scope="module")
def rounds() -> dict:
    return runpy.run_path(str(ROUNDS))


def test_paired_ratios_are_free_of_drift(rounds: dict) -> None:
    calls: list[str] = []
    drift = np.random.default_rng(0).uniform(1, 5, 100)

    def contender(name: str, seconds: float):
        def run() -> float:
            calls.append(name)
            return seconds * drift[(len(calls) - 1) // 3]  # a machine whose speed changes from round to round

        return run

    result = rounds["compare"]({"a": contender("a", 0.1), "b": contender("b", 0.2), "c": contender("c", 0.05)}, 9)
    assert result.seconds.shape == (9, 3)
    assert all(sorted(calls[i : i + 3]) == ["a", "b", "c"] for i in range(0, 30, 3))
    assert len({tuple(calls[i : i + 3]) for i in range(3, 30, 3)}) > 1  # orders change
    np.testing.assert_allclose(result.ratio("b"), (2, 2, 2))
    np.testing.assert_allclose(result.ratio("c"), (0.5, 0.5, 0.5))
    assert "2.000 [2.000, 2.000]" in result.table("image")


def test_the_interval_holds_the_true_ratio_about_as_often_as_stated(rounds: dict) -> None:
    rng, hits = np.random.default_rng(1), 0
    for _ in range(200):
        seconds = np.column_stack([np.ones(15), 1.5 * np.exp(rng.normal(0, 0.1, 15))])
        _, low, high = rounds["Comparison"](("a", "b"), seconds).ratio("b")
        hits += low <= 1.5 <= high
    assert 0.88 <= hits / 200 <= 1
