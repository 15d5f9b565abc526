"""Every example of a command that trains or analyses is accepted as it stands, and finds the runs that it names."""

import re
import shlex
from collections import Counter
from pathlib import Path

import pytest

import landscape.train as train_command
from landscape import command, demo
from landscape.__main__ import COMMANDS
from landscape.config import PRESETS
from landscape.correlation import __main__ as correlation
from landscape.embedding import __main__ as embedding
from landscape.errors import InputError
from landscape.flatness import __main__ as flatness
from landscape.surface import __main__ as surface
from landscape.training import Run, resolve

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TEXTS = [README, train_command.DESCRIPTION, *(command.example for command in COMMANDS)]
EXAMPLES = sorted({line for text in TEXTS for line in re.findall(r"(?m)^ *python -m landscape\.train (.+)$", text)})
ANALYSES = {
    "surface": (surface.SurfaceOptions, surface.DESCRIPTION),
    "flatness": (flatness.FlatnessOptions, flatness.DESCRIPTION),
    "embedding": (embedding.EmbeddingOptions, embedding.DESCRIPTION),
    "correlation": (correlation.CorrelationOptions, correlation.DESCRIPTION),
}
OVERVIEW = [each.example for each in COMMANDS]
ANALYSIS_EXAMPLES = [
    (name, line)
    for name, (_, text) in ANALYSES.items()
    for line in re.findall(rf"(?m)^ *python -m landscape\.{name} (.+)$", "\n".join([text, *OVERVIEW]))
]


@pytest.fixture
def two_seeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder in which the demo has run with seeds 0 and 1; its checkpoints are empty files."""
    for seed in (0, 1):
        config = PRESETS["quick"].replace(target=demo.DemoOptions().target, seed=seed, precision="fp32")
        trunk = Run.at(tmp_path / "checkpoints", config, is_trunk=True)
        branches = [Run.at(trunk.folder.parent, config.replace(algorithm=name), trunk) for name in ("erm", "fgmix")]
        for run in (trunk, *branches):
            run.write_config()
        for step in range(0, config.steps + 1, config.save_every):
            for run in [trunk] if step <= config.trunk_steps else branches:
                run.path(step).touch()
                if step >= config.swa_start:
                    run.path(step, "swa").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def demo_result(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The result file that the demo writes, from what it asks for."""

    class Drawn(Exception):
        pass

    def draw(setting: object, where: object, *, out: Path, name: str, **options: object) -> None:
        raise Drawn(out / f"{name}.nc")

    with monkeypatch.context() as patch:
        patch.setattr("landscape.data.open_task", lambda config: None)
        patch.setattr(
            "landscape.training.train", lambda config, **options: Run.at("", config.replace(precision="fp32"))
        )
        patch.setattr(Run, "find", lambda *asked, **options: Path())
        patch.setattr("landscape.surface.setting.Setting.through", lambda *anchors, **options: None)
        patch.setattr("landscape.surface.draw.draw", draw)
        with pytest.raises(Drawn) as drawn:
            demo.main([])
    return drawn.value.args[0]


@pytest.mark.parametrize("example", EXAMPLES)
def test_example_makes_a_plan(example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    # The package that an example imports as the reader's own.
    (tmp_path / "my_package").mkdir()
    (tmp_path / "my_package" / "__init__.py").touch()
    (tmp_path / "my_package" / "networks.py").write_text(
        "from landscape.models import build_network\n"
        "def build(classes):\n"
        "    return build_network('small_cnn', num_classes=classes, weights='none')\n"
    )
    for name, domains, classes in (
        ("my_images", ("photos", "paintings", "sketches"), ("dog", "house")),
        ("data/PACS", ("art_painting", "cartoon", "photo", "sketch"), ("dog", "house")),
    ):
        for domain in domains:
            for label in classes:
                (tmp_path / name / domain / label).mkdir(parents=True)
                (tmp_path / name / domain / label / "0.png").touch()  # listed, not opened
    example = example.replace("--data-dir /data", f"--data-dir {tmp_path}/data")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    train_command.main([*shlex.split(example), "--dry-run", "--precision", "fp32"])
    printed = capsys.readouterr().out
    assert "run:   checkpoints/" in printed
    assert not (tmp_path / "checkpoints").exists()


def test_there_are_examples_in_every_text() -> None:
    assert len(EXAMPLES) >= 5
    found = Counter(name for name, _ in ANALYSIS_EXAMPLES)
    assert found == {"surface": 6, "flatness": 4, "embedding": 4, "correlation": 4}  # one each of the overview


@pytest.mark.parametrize(("name", "example"), ANALYSIS_EXAMPLES)
def test_analysis_example_finds_its_runs(name: str, example: str, two_seeds: Path, demo_result: Path) -> None:
    kind, _ = ANALYSES[name]
    options = command.parse(kind, prog=name, description="", args=shlex.split(example))
    references = getattr(options, "checkpoints", ()) or getattr(options, "checkpoint", ())
    references += tuple(filter(None, [getattr(options, "groups_from", None)]))
    for reference in references:
        if reference.endswith(".safetensors"):  # a file of the reader's own
            (two_seeds / reference).touch()
        assert resolve(reference, options.shared.overrides.root).is_file()
    stored = options.shared.plot_only
    assert set(stored) <= {demo_result}
    assert bool(references) != bool(stored)


def test_a_name_without_its_seed_is_refused(two_seeds: Path) -> None:
    with pytest.raises(InputError, match="is the beginning of several runs"):
        resolve("sixstyles-sketch-erm@swa")
