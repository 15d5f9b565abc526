"""The result: what is stored is what is loaded, and every value is found by name."""

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from landscape.errors import InputError
from landscape.surface.report import report
from landscape.surface.surface import Mark, Surface, empty_values
from landscape.surface.trajectory import Trajectory


def small(*, count: int = 3) -> Surface:
    """Numbers that tell where they are: every array counts up."""
    x, y = np.linspace(-1, 1, count + 1), np.linspace(0, 2, count)
    n = np.array([[8, 2], [6, 2], [5, 0]])
    panels = ["train_loss", "fgmix_train_loss", "mixup_loss", "test_accuracy"]
    values = empty_values(x, y, panels=panels, domains=("photo", "art", "sketch"), n=n)
    for offset, name in enumerate(values.data_vars):
        if name != "n":
            values[name].values[...] = 100 * offset + np.arange(values[name].size).reshape(values[name].shape)
    values["train_loss"].values[0, 1] = np.inf
    values["test_accuracy"].values[1, 1] = np.nan
    at = {name: float(k) for k, name in enumerate(panels)}
    marks = (
        Mark("w1", "initialisation", "anchor", 0.0, 0.0, 0.0, at, at),
        Mark("ERM", "step 9", "end", 0.5, 0.25, 0.7, {**at, "train_loss": math.inf}, at),
    )
    paths = (
        Trajectory(
            "ERM", "raw", np.array([0, 9]), np.array([0.0, 0.5]), np.array([0.0, 0.25]), np.array([0, 0.7]), 0.4
        ),
        Trajectory("ERM", "swa", np.array([9]), np.array([0.1]), np.array([0.2]), np.array([0.3]), math.nan),
    )
    about = {"angle": 30.0, "notes": ["a note"], "flag": True, "nothing": None, "nested": {"seeds": [0]}}
    about |= {"mixup": None, "n": {"train": 14, "test": 5, "mixup": 0}}
    return Surface(values, marks, paths, about)


def test_a_stored_surface_loads_unchanged(tmp_path: Path) -> None:
    surface = small()
    loaded = Surface.load(surface.save(tmp_path / "s.nc"))
    assert loaded.values.identical(surface.values)
    assert loaded.marks == surface.marks
    assert loaded.about == surface.about
    for path, expected in zip(loaded.trajectories, surface.trajectories, strict=True):
        for name in ("label", "kind"):
            assert getattr(path, name) == getattr(expected, name)
        for name in ("step", "x", "y", "residual", "explained"):
            np.testing.assert_array_equal(getattr(path, name), getattr(expected, name))


def test_a_surface_without_paths_loads_unchanged(tmp_path: Path) -> None:
    surface = replace(small(), trajectories=(), marks=())
    loaded = Surface.load(surface.save(tmp_path / "s.nc"))
    assert loaded.values.identical(surface.values)
    assert loaded.trajectories == loaded.marks == ()


def test_any_tool_can_read_the_file(tmp_path: Path) -> None:
    with h5py.File(small().save(tmp_path / "s.nc")) as file:
        assert file["loss"].shape == (3, 2, 3, 4)
        assert [name.decode() for name in file["domain"][:]] == ["photo", "art", "sketch"]
        assert file["train_loss"].attrs["units"] == "nat"
        assert json.loads(file.attrs["about"])["nested"] == {"seeds": [0]}
        assert file["path_residual"][:].tolist() == [0.0, 0.7, 0.3]


def test_the_same_surface_is_the_same_bytes(tmp_path: Path) -> None:
    assert small().save(tmp_path / "a.nc").read_bytes() == small().save(tmp_path / "b.nc").read_bytes()


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch) -> None:
    path = small().save(tmp_path / "s.nc")
    before = path.read_bytes()
    surface = small(count=5)

    def full(self, target, **options):
        Path(target).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(surface.values), "to_netcdf", full)
    with pytest.raises(InputError, match="no space left"):
        surface.save(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["s.nc"]


def test_what_is_no_surface_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        Surface.load(tmp_path / "none.nc")
    (tmp_path / "text.nc").write_text("no")
    with pytest.raises(InputError, match="is no surface, or is damaged"):
        Surface.load(tmp_path / "text.nc")
    whole = small().save(tmp_path / "s.nc").read_bytes()
    (tmp_path / "cut.nc").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="is no surface, or is damaged"):
        Surface.load(tmp_path / "cut.nc")
    small().values.to_netcdf(tmp_path / "other.nc", engine="h5netcdf")
    with pytest.raises(InputError, match="is no surface"):
        Surface.load(tmp_path / "other.nc")


def test_panels_by_name() -> None:
    surface = small()
    assert surface.panels == ("train_loss", "mixup_loss", "fgmix_train_loss", "test_accuracy")
    assert surface.panel("train_loss").dims == ("y", "x")
    loss = surface.values["loss"].values
    np.testing.assert_array_equal(surface.panel("loss", domain="art", split="out"), loss[1, 1])
    # Pooled over images, and an empty split takes no part.
    np.testing.assert_allclose(surface.panel("loss", domain="art"), (6 * loss[1, 0] + 2 * loss[1, 1]) / 8)
    np.testing.assert_allclose(surface.panel("loss", domain="sketch"), loss[2, 0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"metric": "train_los"}, "Did you mean 'train_loss'"),
        ({"metric": "test_loss"}, "unknown panel 'test_loss'"),
        ({"metric": "train_loss", "domain": "art"}, "unknown metric of a domain"),
        ({"metric": "loss", "domain": "arts"}, "Did you mean 'art'"),
        ({"metric": "loss", "domain": "art", "split": "test"}, "unknown split 'test'"),
        ({"metric": "balanced_accuracy", "domain": "art"}, "cannot be pooled"),
    ],
)
def test_names_that_do_not_exist(arguments, message) -> None:
    with pytest.raises(InputError, match=message):
        small().panel(**arguments)


def test_the_table_has_a_row_a_point() -> None:
    surface = small()
    table = surface.to_dataframe()
    assert len(table) == 12
    row = table.iloc[2 * 4 + 3]
    assert (row["x"], row["y"]) == (surface.x[3], surface.y[2])
    assert row["train_loss"] == surface.values["train_loss"].values[2, 3]
    assert row["accuracy/sketch/in"] == surface.values["accuracy"].values[2, 0, 2, 3]


def test_a_new_grid_is_not_evaluated_anywhere() -> None:
    values = empty_values(np.arange(2.0), np.arange(3.0), panels=["train_loss"], domains=("a",), n=np.ones((1, 2)))
    assert np.isnan(values["train_loss"].values).all()
    assert values["loss"].shape == (1, 2, 3, 2)
    assert values["x"].attrs["units"] == "1"


def test_the_report_shows_true_beside_projected() -> None:
    text = report(small())
    assert "30.0 degrees" in text
    end = next(line for line in text.splitlines() if line.startswith("ERM: step 9"))
    assert end.split()[3:] == ["0.7", "inf", "0.0000", "1.0000", "1.0000", "300.0%", "300.0%"]
    assert "path ERM: 2 points, at most 0.7 off the plane; the plane holds 40% of its variance" in text
    assert "path ERM + SWA: 1 points, at most 0.3 off the plane" in text
    assert text.endswith("note: a note")


def test_a_stored_surface_opens_without_torch(tmp_path: Path) -> None:
    path = small().save(tmp_path / "s.nc")
    code = f"import sys; from landscape import Surface; Surface.load({str(path)!r}); print('torch' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"
