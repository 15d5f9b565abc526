"""The command: prints what it found, does nothing twice, refuses what was never trained on gradients."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from landscape import command
from landscape.correlation import Association
from landscape.correlation.__main__ import main
from landscape.correlation.draw import draw
from landscape.correlation.plan import Plan
from landscape.correlation.recipe import Recipe
from landscape.correlation.setting import Setting
from landscape.errors import InputError

FEW = ["--pairs", "20", "--groups", "12", "--null", "30", "--resamples", "200"]


@pytest.fixture
def there(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Inside the workplace, where ``checkpoints`` is the root."""
    monkeypatch.chdir(workplace)
    return workplace


def test_it_measures_draws_and_then_does_nothing(there: Path, runs, tmp_path: Path, capsys) -> None:
    arguments = [runs["fgmix"].folder.name, *FEW, "--out", str(tmp_path), "--format", "png"]
    main(arguments)
    said = capsys.readouterr().out
    for words in (
        "images, target neon, small_cnn, seed 0, one seed: score S of FGMix, step 8 (4 policy steps, T0 = 5)",
        "20 same-class pairs of training images per panel",
        "clay → ink",
        "given both gradient norms",
        "within groups",
        "S(a, b) + h(a) + 2 h(b)",
        "30 random initialisations",
    ):
        assert words in said
    (result,) = tmp_path.glob("*.nc")
    assert result.stem.startswith("correlation-images-neon-")
    assert {path.name for path in tmp_path.iterdir()} == {f"{result.stem}.{kind}" for kind in ("nc", "png")}
    stored = Association.load(result)
    assert stored.about["n"] == {
        "pairs": [20] * 6,
        "groups": 12,
        "untrained": 30,
        "images": stored.about["n"]["images"],
    }
    assert stored.about["provenance"]["inputs"]["checkpoint"].endswith("step-000008.safetensors")
    assert str(there) not in str(stored.about)

    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    # The averaged checkpoint's raw iterate is the same measurement.
    for again in (arguments, [f"{arguments[0]}@swa", *arguments[1:]]):
        main(again)
        assert "nothing to do" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before

    result.with_suffix(".png").unlink()
    main(arguments)
    said = capsys.readouterr().out
    assert f"wrote {result.with_suffix('.png')}" in said
    assert ".nc" not in said

    main(["--plot-only", str(result), "--format", "pdf"])
    assert result.with_suffix(".pdf").is_file()


def test_other_options_are_another_result(runs, tmp_path: Path) -> None:
    plans = [
        Plan.of(
            Setting.at(runs["fgmix"].find(step), progress=False),
            Recipe(**{"pairs": 12, "groups": 12, "null": 30, "resamples": 200} | more),
        )
        for step, more in ((8, {}), (8, {"draw": 1}), (8, {"images": "all"}), (8, {"null": 31}), (6, {}))
    ]
    for plan in plans:
        draw(plan, out=tmp_path, formats=(), progress=False)
    other = replace(plans[0], recipe=replace(plans[0].recipe, resamples=201))
    draw(other, out=tmp_path, formats=(), progress=False)
    assert len(list(tmp_path.glob("*.nc"))) == 6
    assert draw(plans[1], out=tmp_path, formats=(), progress=False)[1] == []


def test_a_damaged_result_is_measured_again(runs, tmp_path: Path) -> None:
    plan = Plan.of(
        Setting.at(runs["fgmix"].folder, progress=False), recipe=Recipe(pairs=12, groups=12, null=30, resamples=200)
    )
    first, (path,) = draw(plan, out=tmp_path, formats=(), progress=False)
    path.write_bytes(path.read_bytes()[:500])
    second, (again,) = draw(plan, out=tmp_path, formats=(), progress=False)
    assert again == path
    assert second.summary().equals(first.summary())


def test_dry_run_states_the_cost_and_writes_nothing(there: Path, runs, tmp_path: Path, capsys) -> None:
    main([runs["fgmix"].folder.name, *FEW, "--out", str(tmp_path), "--dry-run"])
    said = capsys.readouterr().out
    assert "S(mist, clay): 20 same-class pairs" in said
    assert "4 policy steps" in said
    assert "untrained scores: 30" in said
    assert "estimated time:" in said
    assert list(tmp_path.iterdir()) == []


def test_fewer_pairs_than_asked_for_are_said(there: Path, runs, tmp_path: Path, capsys) -> None:
    main([runs["fgmix"].folder.name, *FEW, "--pairs", "999", "--groups", "999", "--out", str(tmp_path), "--dry-run"])
    said = capsys.readouterr().out
    assert "same-class pairs, fewer than the 999 asked for" in said
    assert "fewer than the 999 groups asked for" in said


@pytest.mark.parametrize(
    ("algorithm", "point", "message"),
    [
        ("erm", "", "is a checkpoint of ERM, which learns no score S"),
        ("c", "", "variant C, which uses cosine similarities and learns no score S"),
        ("f", "", "variant F, whose score S compares latent codes"),
        ("fgmix", "@4", "is a checkpoint of ERM, which learns no score S .nor does any run before T0"),
    ],
)
def test_what_was_never_trained_on_gradients_is_refused(there, runs, tmp_path, algorithm, point, message) -> None:
    with pytest.raises(InputError, match=message):
        main([runs[algorithm].folder.name + point, "--out", str(tmp_path / "none")])
    assert not (tmp_path / "none").exists()


def test_a_policy_from_before_its_training_is_refused(config, tmp_path) -> None:
    from dataclasses import replace

    from landscape.training import train

    # Without a trunk of its own a run records its untouched policy from the start.
    run = train(config, root=tmp_path, progress=False, share_trunk=False)
    with pytest.raises(InputError, match="has never been trained: step 4 comes before T0 = 5"):
        Association.measure(run.find(4))
    bare = replace(run_checkpoint(run), config=None)
    with pytest.raises(InputError, match="is a bare state dict"):
        Association.measure(bare)
    with pytest.raises(InputError, match="got bare weights"):
        Association.measure(dict(bare.model))


def run_checkpoint(run):
    from landscape.checkpoint import Checkpoint

    return Checkpoint.load(run.find())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "got 0 checkpoints; expected one"),
        (["a", "b"], "got 2 checkpoints; expected one"),
        (["a", "--plot-only", "x.nc"], "leave the checkpoints out"),
        (["--plot-only", "x.nc"], r"x\.nc does not exist"),
        (["nobody"], "unknown run 'nobody'"),
        (["RUN", "--null", "5"], "--null is 5; expected at least 30"),
        (["RUN", "--pairs", "3"], "--pairs is 3; expected at least 10"),
        (["RUN", "--resamples", "3"], "--resamples is 3; expected at least 200"),
    ],
)
def test_mistakes_are_one_sentence(there: Path, runs, arguments, message) -> None:
    with pytest.raises(InputError, match=message):
        main([runs["fgmix"].folder.name if each == "RUN" else each for each in arguments])


def test_exit_codes(there: Path, runs, monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", ["correlation", runs["erm"].folder.name, "--out", "none"])
    with pytest.raises(SystemExit) as left:
        command.run(main)
    assert left.value.code == 2
    said = capsys.readouterr().err.splitlines()
    assert [line for line in said if line.startswith("error: ")] == said[-1:]
    assert not Path("none").exists()
