"""The command: figure 4 for one run, figure 9 for two; nothing twice; continues where it was interrupted."""

import sys
from pathlib import Path

import pytest

from landscape import command
from landscape.embedding import Embedding, coverage
from landscape.embedding.__main__ import main
from landscape.errors import InputError
from landscape.storage import Journal

QUICK = ["--iterations", "10", "--dimensions", "2", "3", "--draws", "1", "--resamples", "100", "--format", "png"]


def only(folder: Path, suffix: str) -> Path:
    (found,) = folder.glob(f"*{suffix}")
    return found


def test_one_run_gives_figure_4_and_then_nothing(runs: list[str], tmp_path: Path, capsys) -> None:
    arguments = [f"{runs[1]}@swa", *QUICK, "--out", str(tmp_path)]
    main(arguments)
    said = capsys.readouterr().out
    for words in ("FGMix + SWA, step 4; images, target neon: 56 images", "mixup codes A: 36, 0.0% extrapolated"):
        assert words in said
    for words in ("target: control of FGMix", "held-out sources: FGMix - control", "a place in the t-SNE is none"):
        assert words in said
    stem = only(tmp_path, ".nc").stem
    assert stem.startswith("embedding-images-neon-")
    assert {path.name for path in tmp_path.iterdir()} == {f"{stem}.nc", f"{stem}.png"}
    stored = Embedding.load(only(tmp_path, ".nc"))
    assert stored.variants == ("A", "FGMix")
    assert stored.about["n"]["mixup"] == {"A": 36, "FGMix": 36}
    assert str(Path.cwd()) not in str(stored.about)

    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    main(arguments)
    assert "nothing to do" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
    main([*arguments, "--perplexity", "7"])
    assert len(list(tmp_path.glob("*.nc"))) == 2
    main(["--plot-only", str(tmp_path / f"{stem}.nc"), "--format", "svg"])
    assert (tmp_path / f"{stem}.svg").is_file()


def test_two_runs_give_figure_9(runs: list[str], tmp_path: Path, capsys) -> None:
    arguments = [f"{run}@swa" for run in runs] + [*QUICK, "--out", str(tmp_path)]
    main(arguments)
    said = capsys.readouterr().out
    assert "domain entropy (all domains), FGMix + SWA, step 4 - ERM + SWA, step 4:" in said
    assert "inside the hull" not in said
    assert len(list(tmp_path.glob("*.nc"))) == 2
    assert only(tmp_path, ".png").name.startswith("embeddings-images-neon-")
    for path in tmp_path.glob("*.nc"):
        assert Embedding.load(path).variants == ()
    main(arguments)
    assert "nothing to do" in capsys.readouterr().out
    results = sorted(map(str, tmp_path.glob("*.nc")))
    main(["--plot-only", *results, "--format", "png", "--out", str(tmp_path / "again")])
    assert only(tmp_path / "again", ".png").is_file()


def test_interrupted_it_goes_on_from_the_journal(runs: list[str], tmp_path: Path, monkeypatch) -> None:
    arguments = [f"{runs[1]}@swa", *QUICK]
    main([*arguments, "--out", str(tmp_path / "whole")])
    out, solve, calls = tmp_path / "killed", coverage.separation, []

    def dies(points, query):
        calls.append(query)
        if len(calls) > 30:
            raise KeyboardInterrupt
        return solve(points, query)

    monkeypatch.setattr(coverage, "separation", dies)
    with pytest.raises(KeyboardInterrupt):
        main([*arguments, "--out", str(out)])
    monkeypatch.setattr(coverage, "separation", solve)
    assert not list(out.glob("*.nc"))
    assert len(Journal(only(out, ".journal.jsonl")).read()) >= 1
    main([*arguments, "--out", str(out)])
    assert not list(out.glob("*.journal.jsonl"))
    whole, resumed = (Embedding.load(only(tmp_path / name, ".nc")) for name in ("whole", "killed"))
    assert whole.tables().equals(resumed.tables())
    assert (whole.points == resumed.points).all()


def test_dry_run_states_the_cost_and_writes_nothing(runs: list[str], tmp_path: Path, capsys) -> None:
    main([f"{runs[1]}@swa", *QUICK, "--out", str(tmp_path), "--dry-run"])
    said = capsys.readouterr().out
    assert "passes over the data: 2 of 56 images = 112 forward passes" in said
    assert "t-SNE: 1 of 128 codes" in said
    assert "linear programmes: at most 120" in said  # 20 images, three pools, two dimensions
    assert "estimated time:" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "got 0 checkpoints; expected one"),
        (["nobody"], "unknown run 'nobody'"),
        (["a", "--plot-only", "x.nc"], "leave the checkpoints out"),
        (["--plot-only", "x.nc"], r"x\.nc does not exist"),
        (["a", "--perplexity", "0"], "expected at least 1"),
        (["a", "--images", "3"], "expected at least 10"),
        (["a", "--dimensions", "0"], "expected numbers from 1"),
        (["a", "--draws", "0"], "--draws is 0"),
    ],
)
def test_mistakes_are_one_sentence(in_workplace: Path, arguments, message) -> None:
    with pytest.raises(InputError, match=message):
        main(arguments)


def test_a_mistake_leaves_with_2(in_workplace: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", ["embedding", "nobody"])
    with pytest.raises(SystemExit) as left:
        command.run(main)
    assert left.value.code == 2
    assert capsys.readouterr().err.count("error: ") == 1


def test_help_has_three_examples(capsys) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert capsys.readouterr().out.count("  python -m landscape.embedding") == 3
