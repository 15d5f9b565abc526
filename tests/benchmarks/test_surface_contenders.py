"""Contenders of the surface benchmark compute the same surface, so that their times can be compared."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def contenders() -> dict:
    return runpy.run_path(str(BENCHMARKS / "contenders.py"))


@pytest.fixture
def work(contenders, tmp_path):
    made = contenders["workload"]("resnet20", 3, tmp_path, quick=True)
    few = slice(0, 6)
    return type(made)(
        **{**vars(made), "pixels": made.pixels[few], "labels": made.labels[few], "files": made.files[few]}
    )


@pytest.mark.parametrize("peer", ["plain loop", "loss-landscape-3d", "landscaper"])
def test_values_agree(contenders, work, peer) -> None:
    if contenders["missing"](peer):
        pytest.skip(f"needs {peer}")
    losses, correct = contenders["landscape"](work, {}, precision="fp64")()
    theirs, shares = contenders["CONTENDERS"][peer](work, {})()
    known = ~np.isnan(theirs)
    assert known.sum() >= 8
    np.testing.assert_allclose(losses[known], theirs[known], rtol=1e-4)
    if shares is not None:
        np.testing.assert_allclose(correct, shares, atol=1e-6)
    assert np.ptp(losses) > 0.01


def test_what_is_missing_is_told_how_to_install(contenders, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "loss_landscape_3d.calculator", None)
    words = contenders["missing"]("loss-landscape-3d")
    assert "pip install" in words
    assert "loss-landscape-3d==0.1.3" in words
    assert contenders["missing"]("plain loop") == ""
