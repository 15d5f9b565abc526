"""What a command reads of its inputs: every file is hashed once, every run's folder opened once."""

import json
from collections import Counter
from pathlib import Path

import pytest

from landscape import storage
from landscape.correlation.__main__ import main as correlation
from landscape.embedding.__main__ import main as embedding
from landscape.flatness.__main__ import main as flatness
from landscape.surface.__main__ import main as surface


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> tuple[Counter[Path], Counter[Path]]:
    """How often each file is hashed, and how often the ``config.json`` of each folder is parsed."""
    hashed: Counter[Path] = Counter()
    parsed: Counter[Path] = Counter()
    plain, read_text = storage.file_digest, Path.read_text

    def file_digest(path):
        hashed[Path(path).resolve()] += 1
        return plain(path)

    def counted(self, *args, **keywords):
        if self.name == "config.json":
            parsed[self.parent.resolve()] += 1
        return read_text(self, *args, **keywords)

    monkeypatch.setattr("landscape.files.file_digest", file_digest)
    monkeypatch.setattr(Path, "read_text", counted)
    return hashed, parsed


def names(root: Path) -> tuple[str, str]:
    erm, fgmix = sorted(path.name for path in (root / "checkpoints").iterdir())
    assert json.loads((root / "checkpoints" / erm / "config.json").read_text())["config"]["algorithm"] == "erm"
    return erm, fgmix


def test_a_surface_hashes_each_file_and_opens_each_run_once(in_workplace: Path, tmp_path: Path, reads) -> None:
    erm, fgmix = names(in_workplace)
    hashed, parsed = reads
    parsed.clear()
    arguments = [f"{erm}@0", f"{erm}@swa", f"{fgmix}@swa", "--points", "2", "--format", "png", "--out", str(tmp_path)]
    for _ in range(2):  # measured, and found
        hashed.clear()
        parsed.clear()
        surface(arguments)
        # Anchors, policy and every recorded point of the two paths, most of them in several roles.
        recorded = {path.resolve() for path in (in_workplace / "checkpoints").glob("*/s*-*.safetensors")}
        assert set(hashed) == {path for path in recorded if path.name.startswith(("step-", "swa-"))}
        assert set(hashed.values()) == {1}
        assert {path.name for path in parsed} == {erm, fgmix}
        assert set(parsed.values()) == {1}


def test_so_do_the_other_analyses(in_workplace: Path, tmp_path: Path, reads) -> None:
    erm, fgmix = names(in_workplace)
    hashed, parsed = reads
    out = ["--format", "png", "--out", str(tmp_path)]
    few = ["--pairs", "10", "--groups", "10", "--null", "30", "--resamples", "200"]
    for run, arguments in (
        (surface, [f"{erm}@swa", f"{fgmix}@swa", "--plane", "line", "--points", "2", *out]),
        (flatness, [f"{erm}@swa", f"{fgmix}@swa", "--gammas", "1", "--directions", "2", "--scope", "classifier", *out]),
        (flatness, [erm, f"{erm}@swa", "--curvature", "--scope", "classifier", "--top", "1", "--no-density", *out]),
        (embedding, [f"{fgmix}@swa", "--iterations", "5", "--dimensions", "2", "--draws", "1", *out]),
        (correlation, [f"{fgmix}@swa", *few, *out]),
    ):
        hashed.clear()
        parsed.clear()
        run(arguments)
        assert hashed
        assert set(hashed.values()) == {1}
        assert set(parsed.values()) == {1}
