"""The command: prints what it did, continues after kill -9, does nothing twice."""

import sys
from pathlib import Path

import pytest

from landscape import command
from landscape.errors import InputError
from landscape.surface import Profile, Surface
from landscape.surface.__main__ import main


def references(root: Path) -> list[str]:
    erm, fgmix = sorted(path.name for path in (root / "checkpoints").iterdir())
    return [f"{erm}@0", f"{erm}@swa", f"{fgmix}@swa"]


def only(folder: Path, suffix: str) -> Path:
    (found,) = folder.glob(f"*{suffix}")
    return found


def test_it_measures_draws_and_then_does_nothing(in_workplace: Path, tmp_path: Path, capsys) -> None:
    arguments = [*references(in_workplace), "--points", "3", "--out", str(tmp_path), "--format", "png", "html"]
    main(arguments)
    said = capsys.readouterr().out
    images = 4 * 3 * 6
    assert f"images, target sketch: {images} images, of which 45 train and 18 test" in said
    assert "angle at w1" in said
    for words in ("w2: ERM + SWA, step 4", "ERM: step 4", "FGMix: step 4", "mixup codes: 45"):
        assert words in said
    stem = only(tmp_path, ".nc").stem
    assert stem.startswith("surface-images-sketch-")
    assert {path.name for path in tmp_path.iterdir()} == {
        f"{stem}.nc",
        f"{stem}.png",
        f"{stem}.html",
        "plotly.min.js",
    }
    surface = Surface.load(only(tmp_path, ".nc"))
    assert surface.panels[:4] == ("train_loss", "train_accuracy", "mixup_loss", "fgmix_train_loss")
    assert surface.about["n"] == {"images": images, "train": 45, "test": 18, "mixup": 45, "mixup_skipped": 0}
    assert surface.about["provenance"]["inputs"]["w3"].endswith("swa-000004.safetensors")
    assert str(in_workplace) not in str(surface.about)

    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    main(arguments)
    assert "nothing to do" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before

    # A missing figure is drawn from the stored result.
    only(tmp_path, ".png").unlink()
    main(arguments)
    said = capsys.readouterr().out
    assert f"wrote {tmp_path / stem}.png" in said
    assert ".nc" not in said

    main(["--plot-only", str(only(tmp_path, ".nc")), "--format", "svg"])
    assert (tmp_path / f"{stem}.svg").is_file()


def test_other_options_are_another_result(in_workplace: Path, tmp_path: Path) -> None:
    for extra in ([], ["--margin", "0.3"], ["--x-range", "-1", "2"]):
        main([*references(in_workplace), "--points", "2", "--out", str(tmp_path), "--format", "html", *extra])
    assert len(list(tmp_path.glob("*.nc"))) == 3


def test_dry_run_states_the_cost_and_writes_nothing(in_workplace: Path, tmp_path: Path, capsys) -> None:
    main([*references(in_workplace), "--points", "5", "--out", str(tmp_path), "--dry-run"])
    said = capsys.readouterr().out
    assert "grid: 5 x 5 points" in said
    assert "passes over the data: 32 of 72 images = 2,304 forward passes" in said
    assert "estimated time:" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a", "b"], "got 2 checkpoints; expected three"),
        ([], "got 0 checkpoints"),
        (["a", "b", "c", "--plot-only", "x.nc"], "leave the checkpoints out"),
        (["--plot-only", "x.nc"], r"x\.nc does not exist"),
        (["nobody", "b", "c"], "unknown run 'nobody'"),
    ],
)
def test_mistakes_are_one_sentence(in_workplace: Path, arguments, message) -> None:
    with pytest.raises(InputError, match=message):
        main(arguments)


def test_exit_codes(in_workplace: Path, monkeypatch, capsys) -> None:
    a, b, _ = references(in_workplace)
    monkeypatch.setattr(sys, "argv", ["surface", a, b, b, "--out", "none"])
    with pytest.raises(SystemExit) as left:
        command.run(main)
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert "error: " in said
    assert "have identical weights" in said
    assert not Path("none").exists()


def test_killed_at_any_moment_it_continues_to_the_same_result(in_workplace: Path, tmp_path: Path, kill_midway) -> None:
    arguments = [*references(in_workplace), "--points", "4", "--format", "html"]
    main([*arguments, "--out", str(tmp_path / "whole")])

    out = tmp_path / "killed"
    done = kill_midway("landscape.surface", "landscape.surface.meter:Meter.at", arguments, out, rows=4)
    assert 4 <= done < 16 + 3 + 4

    main([*arguments, "--out", str(out)])
    whole, resumed = (Surface.load(only(tmp_path / name, ".nc")) for name in ("whole", "killed"))
    assert resumed.values.identical(whole.values)
    assert resumed.marks == whole.marks
    assert not list(out.glob("*.journal.jsonl"))
    assert only(out, ".html").stem == only(out, ".nc").stem


def test_a_line_is_measured_drawn_and_found_again(in_workplace: Path, tmp_path: Path, capsys) -> None:
    _, b, c = references(in_workplace)
    arguments = [b, c, "--plane", "line", "--points", "5", "--margin", "0.5", "--out", str(tmp_path), "--format", "png"]
    main([*arguments, "--dry-run"])
    said = capsys.readouterr().out
    assert "5 points from -0.5 to 1.5" in said
    assert "passes over the data: 5 of 72 images = 360 forward passes" in said
    assert list(tmp_path.iterdir()) == []
    main(arguments)
    said = capsys.readouterr().out
    assert "barrier of the train loss" in said
    assert "at 1: train loss" in said
    stem = only(tmp_path, ".nc").stem
    assert stem.startswith("line-images-sketch-")
    assert {path.suffix for path in tmp_path.iterdir()} == {".nc", ".png"}
    profile = Profile.load(only(tmp_path, ".nc"))
    assert profile.t.tolist() == [-0.5, 0.0, 0.5, 1.0, 1.5]
    assert profile.names == ("ERM + SWA, step 4", "FGMix + SWA, step 4")
    main(arguments)
    assert "nothing to do" in capsys.readouterr().out
    main(["--plot-only", str(only(tmp_path, ".nc")), "--format", "svg"])
    assert (tmp_path / f"{stem}.svg").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a", "b", "c", "--plane", "line"], "got 3 checkpoints; --plane line goes through two"),
        (["a", "b", "--plane", "line", "--subset", "9"], "--plane line takes no --subset"),
        (["a", "b", "--plane", "line", "--y-range", "0", "1"], "--plane line takes no --y-range"),
        (["a", "b", "--plane", "hessian"], "got 2 checkpoints; --plane hessian goes through one"),
    ],
)
def test_what_does_not_fit_a_plane_is_one_sentence(in_workplace: Path, arguments, message) -> None:
    with pytest.raises(InputError, match=message):
        main(arguments)
