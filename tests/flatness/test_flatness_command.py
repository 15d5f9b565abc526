"""The command: prints what it did, continues after kill -9, does nothing twice."""

import sys
from pathlib import Path

import numpy as np
import pytest

from landscape import command
from landscape.errors import InputError
from landscape.flatness import CurvaturePath, Flatness
from landscape.flatness.__main__ import main

SMALL = ["--directions", "3", "--steps", "2", "--format", "png"]


def only(folder: Path, suffix: str) -> Path:
    (found,) = folder.glob(f"*{suffix}")
    return found


def test_it_measures_draws_and_then_does_nothing(references, tmp_path: Path, capsys) -> None:
    arguments = [*references, *SMALL, "--out", str(tmp_path)]
    main(arguments)
    said = capsys.readouterr().out
    assert "images, target sketch: ERM + SWA, FGMix + SWA; losses over" in said
    assert said.count("so they are DIFFERENT losses") == 2
    assert said.count("the same loss for every method") == 4
    assert "weights frozen at images-sketch-fgmix" in said
    assert "gammas: equal steps up to where the loss of ERM + SWA changes by 1 nat" in said
    stem = only(tmp_path, ".nc").stem
    assert stem.startswith("flatness-images-sketch-")
    assert {path.name for path in tmp_path.iterdir()} == {f"{stem}.nc", f"{stem}.png", f"{stem}-classifier.png"}
    result = Flatness.load(only(tmp_path, ".nc"))
    assert result.curves[0].samples.shape == (3, 3, 3)
    assert str(tmp_path) not in str(result.about["provenance"]["inputs"])

    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    main(arguments)
    assert "nothing to do" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before

    # A missing figure is drawn from the stored result; another statistic is another figure of the same result.
    only(tmp_path, "-classifier.png").unlink()
    main(arguments)
    said = capsys.readouterr().out
    assert f"wrote {tmp_path / stem}-classifier.png" in said
    assert ".nc" not in said
    main([*arguments, "--statistic", "signed"])
    assert (tmp_path / f"{stem}-signed.png").is_file()
    assert len(list(tmp_path.glob("*.nc"))) == 1

    main(["--plot-only", str(only(tmp_path, ".nc")), "--format", "svg"])
    assert (tmp_path / f"{stem}.svg").is_file()


def test_curvature_along_the_runs(references, tmp_path: Path, capsys) -> None:
    arguments = [*references, "--curvature", "--scope", "classifier", "--format", "png", "--out", str(tmp_path)]
    main([*arguments, "--top", "2"])
    said = capsys.readouterr().out
    assert "6 checkpoints, 6 curvatures" in said
    assert "Hessian in the classifier's parameters" in said
    stem = only(tmp_path, ".nc").stem
    assert stem.startswith("curvature-images-sketch-")
    assert (tmp_path / f"{stem}-classifier.png").is_file()
    assert len(CurvaturePath.load(only(tmp_path, ".nc")).points) == 6
    main([*arguments, "--top", "2"])
    assert "nothing to do" in capsys.readouterr().out
    main(["--plot-only", str(only(tmp_path, ".nc")), "--format", "svg"])
    assert (tmp_path / f"{stem}-classifier.svg").is_file()


def test_dry_run_states_the_cost_and_writes_nothing(references, tmp_path: Path, capsys) -> None:
    main([*references, "--directions", "50", "--steps", "5", "--out", str(tmp_path), "--dry-run"])
    said = capsys.readouterr().out
    assert "2 methods x 50 directions x 5 gammas, scope full and classifier" in said
    assert "passes over the data: 502 and about 50 of the pilot" in said
    assert "estimated time:" in said
    assert "memory:" in said
    main([references[0], "--curvature", "--images", "10", "--out", str(tmp_path), "--dry-run"])
    said = capsys.readouterr().out
    assert "a product with the full network's matrix takes" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "got no checkpoint"),
        (["a", "--plot-only", "x.nc"], "leave the checkpoints out"),
        (["--plot-only", "x.nc"], r"x\.nc does not exist"),
        (["--plot-only", "curvature-x.nc"], r"curvature-x\.nc does not exist"),
        (["nobody"], "unknown run 'nobody'"),
    ],
)
def test_mistakes_are_one_sentence(in_workplace: Path, arguments, message) -> None:
    with pytest.raises(InputError, match=message):
        main(arguments)


def test_exit_codes(references, monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", ["flatness", references[0], "--gammas", "-1", "--out", "none"])
    with pytest.raises(SystemExit) as left:
        command.run(main)
    assert left.value.code == 2
    assert "expected distances above 0" in capsys.readouterr().err
    assert not Path("none").exists()


def test_killed_at_any_moment_it_continues_to_the_same_result(references, tmp_path: Path, kill_midway) -> None:
    arguments = [*references, "--directions", "4", "--steps", "2", "--format", "png"]
    main([*arguments, "--out", str(tmp_path / "whole")])

    out = tmp_path / "killed"
    done = kill_midway("landscape.flatness", "landscape.flatness.losses:FullProbe._at", arguments, out, rows=5)
    assert 5 <= done < 2 + 2 * 2 * (1 + 4 * 2)

    main([*arguments, "--out", str(out)])
    whole, resumed = (Flatness.load(only(tmp_path / name, ".nc")) for name in ("whole", "killed"))
    for a, b in zip(whole.curves, resumed.curves, strict=True):
        np.testing.assert_array_equal(a.samples, b.samples)
        np.testing.assert_array_equal(a.base, b.base)
        np.testing.assert_array_equal(a.gamma, b.gamma)
    assert dict(whole.about) == dict(resumed.about)
    assert not list(out.glob("*.journal.jsonl"))
