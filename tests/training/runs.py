"""What several tests of training do with runs."""

import signal

import pytest
import torch
from safetensors.torch import load_file

from landscape.algorithms import Composed
from landscape.algorithms.loops.fgmix import FGMix
from landscape.training import Run


def same_run(a: Run, b: Run) -> None:
    """Every recorded checkpoint holds the same tensors, and the journals the same numbers."""
    for kind in ("raw", "swa"):
        ours, theirs = dict(a.checkpoints(kind)), dict(b.checkpoints(kind))
        assert ours.keys() == theirs.keys()
        for step, path in ours.items():
            first, second = load_file(path), load_file(theirs[step])
            assert first.keys() == second.keys(), step
            different = [name for name in first if not torch.equal(first[name], second[name])]
            # A trunk's checkpoints carry no policy; compare what both have.
            assert not different, (kind, step, different[:3])
    strip = [
        [{key: value for key, value in row.items() if key != "seconds"} for row in run.metrics()] for run in (a, b)
    ]
    assert strip[0] == strip[1]


def interrupt_at(monkeypatch: pytest.MonkeyPatch, step: int, kind: int = signal.SIGINT) -> None:
    """Send the process a signal while it computes one step."""
    for algorithm in (Composed, FGMix):
        original = algorithm.update

        def update(self, batch, now, original=original):  # type: ignore[no-untyped-def]
            if now == step:
                signal.raise_signal(kind)
            return original(self, batch, now)

        monkeypatch.setattr(algorithm, "update", update)
