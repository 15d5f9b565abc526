"""Every example of the train command, wherever it stands, is accepted as it stands."""

import re
import shlex
from pathlib import Path

import pytest

import landscape.train as train_command
from landscape.__main__ import COMMANDS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TEXTS = [README, train_command.DESCRIPTION, *(command.example for command in COMMANDS)]
EXAMPLES = sorted({line for text in TEXTS for line in re.findall(r"(?m)^ *python -m landscape\.train (.+)$", text)})


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
