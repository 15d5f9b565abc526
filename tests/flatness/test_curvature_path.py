"""Curvature along runs: which checkpoints, against single measurements, stored and continued."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from landscape.data import normalise
from landscape.errors import InputError
from landscape.flatness import Curvature, CurvaturePath
from landscape.flatness.curvature import CurvaturePlan, measure, time_product
from landscape.flatness.recipe import CurvatureRecipe
from landscape.opened import Opened

RECIPE = CurvatureRecipe(scope=("classifier",), images=12, top=2, trace_vectors=2)


@pytest.fixture
def paths(references: list[str]) -> CurvaturePath:
    return CurvaturePath.measure(references[0].removesuffix("@swa"), references[1], recipe=RECIPE, progress=False)


def test_it_goes_along_the_runs(paths: CurvaturePath) -> None:
    assert paths.paths == ("ERM", "FGMix + SWA")
    for name in paths.paths:
        points = paths.along(name, "classifier")
        assert [point.step for point in points] == [0, 2, 4]
        assert [bool(point.curvature.density.size) for point in points] == [False, False, True]
        assert len({point.curvature.trace for point in points}) == 3
    assert paths.along("ERM", "classifier")[2].checkpoint.endswith("step-000004.safetensors")
    table = paths.to_dataframe()
    assert list(table["step"]) == [0, 2, 4] * 2
    assert set(table["examples"]) == {paths.about["n"]["train"]}
    assert "<table" in paths._repr_html_()


def test_a_point_equals_a_single_measurement(references: list[str]) -> None:
    opened = Opened.open(references[1:], progress=False)
    plan = CurvaturePlan.of(
        opened, recipe=CurvatureRecipe(scope=("full",), images=9, top=1, trace_vectors=2, density=False, ends_only=True)
    )
    assert [stop.step for stop in plan.stops] == [4]
    found = measure(plan, progress=False).points[0].curvature
    network = opened.network
    opened.checkpoints[0].load_into(network)
    images = opened.task.images
    batch = normalise(images.pixels[plan.rows], network.mean, network.std), torch.from_numpy(images.labels[plan.rows])
    alone = Curvature.measure(network, nn.CrossEntropyLoss(), [batch], top=1, trace_vectors=2)
    np.testing.assert_allclose(found.eigenvalues, alone.eigenvalues, rtol=1e-3)
    assert found.trace == pytest.approx(alone.trace, rel=1e-4)
    assert (found.examples, found.scope) == (len(plan.rows), "full")
    assert len(plan.rows) == 9


def test_a_start_that_runs_share_is_measured_once(references: list[str]) -> None:
    opened = Opened.open([references[0], references[0].replace("@swa", "@swa-4")], progress=False)
    plan = CurvaturePlan.of(opened, recipe=CurvatureRecipe(scope=("classifier",)))
    assert len(plan.stops) == 6
    assert len(plan.distinct) == plan.points == 3


def test_it_can_be_stored(paths: CurvaturePath, tmp_path: Path) -> None:
    back = CurvaturePath.load(paths.save(tmp_path / "path.nc"))
    assert back.to_dataframe().equals(paths.to_dataframe())
    for a, b in zip(paths.points, back.points, strict=True):
        np.testing.assert_array_equal(a.curvature.density, b.curvature.density)
        assert (a.path, a.step, a.checkpoint) == (b.path, b.step, b.checkpoint)
    assert dict(back.about) == dict(paths.about)
    (tmp_path / "bad.nc").write_bytes(b"nothing")
    with pytest.raises(InputError, match="is no curvature result"):
        CurvaturePath.load(tmp_path / "bad.nc")
    with pytest.raises(InputError, match="does not exist"):
        CurvaturePath.load(tmp_path / "none.nc")


def test_an_interrupted_measurement_continues(references: list[str], paths: CurvaturePath, tmp_path: Path) -> None:
    opened = Opened.open([references[0].removesuffix("@swa"), references[1]], progress=False)
    plan = CurvaturePlan.of(opened, RECIPE)
    journal = tmp_path / "journal.jsonl"
    whole = measure(plan, journal=journal, progress=False)
    lines = journal.read_bytes().split(b"\n")
    journal.write_bytes(b"\n".join(lines[:3]) + b"\n" + lines[3][:50])
    resumed = measure(plan, journal=journal, progress=False)
    assert journal.read_bytes().split(b"\n")[:3] == lines[:3]
    for each in (resumed, paths):
        assert each.to_dataframe().equals(whole.to_dataframe())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scope": ()}, "got no scope"),
        ({"scope": ("head",)}, "unknown scope 'head'"),
        ({"matrix": ("fisher",)}, "unknown matrix 'fisher'"),
        ({"top": 0}, "got 0 eigenvalues"),
        ({"images": 0}, "--images is 0"),
    ],
)
def test_mistakes_are_one_sentence(references: list[str], options, message) -> None:
    with pytest.raises(InputError, match=message):
        CurvaturePath.measure(references[0], recipe=replace(RECIPE, **options), progress=False)


def test_memory_that_runs_out_is_noted(references: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Opened.open(references[1:], progress=False)
    recipe = CurvatureRecipe(scope=("full",), images=9, top=1, trace_vectors=2, density=False, ends_only=True)
    plan = CurvaturePlan.of(opened, recipe)
    whole = measure(plan, progress=False)

    def limited(_, inputs):
        if len(inputs[0]) > 5:
            raise torch.OutOfMemoryError("out of memory")

    opened.network.register_forward_pre_hook(limited)
    small = measure(plan, progress=False)
    found, expected = (each.points[0].curvature for each in (small, whole))
    np.testing.assert_allclose(found.eigenvalues, expected.eigenvalues, rtol=1e-3)
    assert "curvature: out of memory with 9 images a batch: went on with 5" in small.about["notes"]
    assert time_product(plan) > 0
