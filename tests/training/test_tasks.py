"""One source and several targets, views as domains, other optimizers: through the whole engine and its command."""

import math
import sys
from pathlib import Path

import pytest
import torch
from runs import same_run

from landscape.algorithms.catalogue import METHODS
from landscape.algorithms.optimizers import optimizer_of, schedule
from landscape.config import RunConfig
from landscape.data import open_task
from landscape.errors import InputError
from landscape.opened import Opened
from landscape.train import main
from landscape.training import Run, plan, summarise, train

OWN = """
import torch
from landscape.algorithms import Composed, Options
from dataclasses import dataclass


class Bold(Composed):
    label = "Bold"

    @dataclass(frozen=True)
    class Options(Options):
        boldness: float = 2.0
"""


def test_one_source_is_scored_on_every_target(tiny: RunConfig, tmp_path: Path) -> None:
    config = tiny.replace(algorithm="erm", sources=("clay",))
    run = train(config, root=tmp_path, progress=False)
    assert run.folder.name.startswith("shapes0-from-clay-erm-s0-") or "-from-clay-erm-s0-" in run.folder.name
    metrics = run.load().metrics
    assert list(metrics["target_per_domain"]) == ["ink", "neon"]
    for name in ("accuracy", "balanced_accuracy", "loss"):
        each = [scores[name] for scores in metrics["target_per_domain"].values()]
        assert metrics["target"][name] == pytest.approx(sum(each) / 2)
    assert metrics["target"]["n"] == sum(scores["n"] for scores in metrics["target_per_domain"].values())
    assert list(metrics["validation_per_domain"]) == ["clay"]
    text = summarise(run)
    assert "from clay to ink, neon (the mean over targets)" in text
    assert "\n  ink " in text
    # The same task, spelled otherwise.
    assert train(config.replace(targets=("neon", "ink")), root=tmp_path, progress=False).folder == run.folder
    # What each target's score is over.
    task = open_task(config, progress=False)
    assert metrics["target_per_domain"]["ink"]["n"] == len(task.target_rows("ink"))


def test_an_analysis_looks_at_one_of_the_targets(tiny: RunConfig, tmp_path: Path) -> None:
    run = train(tiny.replace(algorithm="erm", sources=("clay",)), root=tmp_path, progress=False)
    opened = Opened.open([run.find()], progress=False)
    assert (opened.task.target, opened.task.sources) == ("ink", ("clay",))
    assert any("one of ink, neon; --target chooses another" in note for note in opened.notes)
    for name in ("neon", "Neon"):
        other = Opened.open([run.find()], target=name, progress=False)
        assert (other.task.target, other.task.sources) == ("neon", ("clay",))
        assert other.digest() != opened.digest()
    with pytest.raises(InputError, match="clay is both source and target"):
        Opened.open([run.find()], target="clay", progress=False)


def test_what_was_not_trained_on_is_no_source_of_an_embedding(tiny: RunConfig, tmp_path: Path) -> None:
    from landscape.embedding.checkpoint_codes import codes_of
    from landscape.embedding.recipe import Recipe

    run = train(tiny.replace(algorithm="erm", sources=("clay",)), root=tmp_path, progress=False)
    opened = Opened.open([run.find()], progress=False)
    codes = codes_of(opened, Recipe(codes=()))
    assert set(codes.domain[codes.in_pool].tolist()) == {codes.domains.index("clay")}
    assert (codes.is_target == (codes.domain == codes.domains.index("ink"))).all()
    # A source of several is looked at like a target; the others stay.
    both = train(tiny.replace(algorithm="erm"), root=tmp_path, progress=False)
    seen = Opened.open([both.find()], target="clay", progress=False)
    assert any("may be a domain that it has seen" in note for note in seen.notes)


def test_a_task_of_another_run_is_refused(tiny: RunConfig, tmp_path: Path) -> None:
    task = open_task(tiny, progress=False)
    with pytest.raises(InputError, match=r"clay to train on, neon unseen, but the task .* clay, ink to train on"):
        train(tiny.replace(sources=("clay",), targets=("neon",)), root=tmp_path, task=task, progress=False)
    assert not list(tmp_path.iterdir())


def test_a_finished_run_is_returned_whatever_this_version_would_refuse(
    tiny: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = train(tiny, root=tmp_path, progress=False)
    monkeypatch.setattr("landscape.training.engine.check_run", lambda *_: pytest.fail("checked"))
    assert train(tiny, root=tmp_path, progress=False) == run
    assert "nothing to do" in plan(tiny, root=tmp_path)


@pytest.mark.parametrize(
    ("returned", "text"),
    [
        ("{}", "returned dict; expected a dictionary of scalar tensors, 'loss' among them"),
        ("{'loss': 1.0}", "expected a dictionary of scalar tensors"),
        ("{'loss': torch.zeros(()), 'more': torch.zeros(2)}", "'more' that is no tensor of one number"),
    ],
)
def test_an_update_of_ones_own_returns_what_the_loop_needs(
    returned: str, text: str, tiny: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = OWN + f"\n    def update(self, batch, step):\n        return {returned}\n"
    (tmp_path / "bold_returns.py").write_text(body)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=text):
        train(tiny.replace(algorithm="bold_returns:Bold"), root="runs", progress=False)
    del sys.modules["bold_returns"]  # the next one is another


@pytest.mark.parametrize(
    "flags",
    [["--target", "a", "--targets", "b", "c"], ["--target", "a", "--target=b"], ["--targets", "a", "--targets", "b"]],
)
def test_domains_to_leave_out_are_named_once(flags: list[str]) -> None:
    with pytest.raises(InputError, match="--target NAME once, or all domains to leave out"):
        main(["--algorithm", "erm", "--dry-run", *flags])


@pytest.mark.parametrize("name", ["pcgrad", "fgmix"])
def test_views_of_one_source_are_domains(tiny: RunConfig, tmp_path: Path, name: str) -> None:
    config = tiny.replace(algorithm=name, sources=("clay",))
    for refuse in (train, plan):
        with pytest.raises(InputError, match=r"needs at least two domains, but clay is the only one; .*--views 3"):
            refuse(config, root=tmp_path)
    assert not list(tmp_path.iterdir())
    config = config.replace(views=3, augmentation="randaugment")
    run = train(config, root=tmp_path, progress=False)
    rows = [row for row in run.metrics() if row["event"] == "step"]
    assert all(("conflicts" in row) == (name == "pcgrad") for row in rows)
    same_run(run, train(config, root=tmp_path / "again", progress=False))


def test_what_a_network_lacks_is_said_before_the_trunk_is_trained(
    tiny: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "whole_networks.py").write_text(
        "from torch import nn\ndef build(classes):\n    return nn.Sequential(nn.Flatten(), nn.Linear(2352, classes))\n"
    )
    monkeypatch.chdir(tmp_path)
    config = tiny.replace(model="whole_networks:build", weights="none")
    for refuse in (train, plan):
        with pytest.raises(InputError, match="FGMix needs latent codes"):
            refuse(config, root=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_sgd_with_a_cosine_schedule() -> None:
    weight = torch.nn.Parameter(torch.ones(2))
    config = RunConfig(optimizer="sgd", momentum=0.5, lr=0.1, weight_decay=0.2, schedule="cosine", steps=4)
    optimizer = optimizer_of(config, [weight])
    expected, velocity = 1.0, 0.0
    for step in range(1, 5):
        weight.grad = torch.full((2,), 3.0)
        schedule(optimizer, config, step)
        optimizer.step()
        velocity = 0.5 * velocity + 3.0 + 0.2 * expected
        expected -= 0.1 * (1 + math.cos(math.pi * (step - 1) / 4)) / 2 * velocity
        assert weight.tolist() == pytest.approx([expected] * 2, rel=1e-5)


def test_a_scheduled_run_resumes_and_is_another_run(tiny: RunConfig, tmp_path: Path) -> None:
    config = tiny.replace(algorithm="pcgrad", optimizer="sgd", schedule="cosine")
    run = train(config, root=tmp_path, progress=False)
    assert run.trunk is None
    assert run.folder != Run.at(tmp_path, config.replace(steps=9)).folder
    assert run.folder != Run.at(tmp_path, tiny.replace(algorithm="pcgrad")).folder


def test_the_command_takes_settings_of_the_chosen_method(
    tiny: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--data", tiny.data, "--root", str(tmp_path), "--model", "small_cnn", "--weights", "none"]
    flags += ["--image-size", "28", "--precision", "fp32", "--dry-run"]
    main(["--algorithm", "PCGrad", "--options.total", "sum", "--target", "neon", *flags])
    said = capsys.readouterr().out
    assert "step:  2 x 32 images\n" in said
    folder = said.splitlines()[1].split()[-1]
    config = RunConfig(
        algorithm="pcgrad", data=tiny.data, target="neon", model="small_cnn", weights="none", image_size=28,
        augmentation="affine", precision="fp32", options=METHODS["pcgrad"].options(total="sum"),
    )  # fmt: skip
    assert Path(folder).name == Run.at(tmp_path, config).folder.name
    # --options of FGMix is --mixup, and --target beside --sources is one of --targets.
    outputs = []
    for words in (["--options.start", "7"], ["--mixup.start=7"]):
        main(["--algorithm=FGMix", *words, "--sources", "clay", "ink", "--target", "neon", *flags])
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1]
    assert "clay, ink to train on, neon unseen" in outputs[0]
    with pytest.raises(SystemExit) as left:
        main(["--algorithm", "pcgrad", "--mixup.start", "7", *flags])
    assert left.value.code == 2
    capsys.readouterr()
    # A class of one's own.
    (tmp_path / "bold_commands.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    main(["--algorithm", "bold_commands:Bold", "--options.boldness", "3", "--target", "neon", *flags])
    assert "-bold-commands-bold-s0-" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["--algorithm", "bold_commands:Bold", "--help"])
    assert "--options.boldness" in capsys.readouterr().out


def test_a_run_of_ones_own_method_trains_and_is_read_without_it(
    tiny: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bold_runs.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    config = tiny.replace(algorithm="bold_runs:Bold")
    run = train(config, root="runs", progress=False)
    assert run.config.options.boldness == 2.0
    assert run == train(config, root="runs", progress=False)
    (tmp_path / "bold_runs.py").unlink()
    del sys.modules["bold_runs"]
    opened = Opened.open([run.find()], progress=False)
    assert opened.names == ("Bold, step 8",)
    assert Run.open(run.folder).config.hash() == run.config.hash()
