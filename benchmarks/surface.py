"""Milliseconds a point of a loss surface: this package against its peers, the plain loop, and the bare forward pass.

    python benchmarks/surface.py --quick
    PYTHONPATH=PEERS python benchmarks/surface.py --workload resnet18 --points 5 --rounds 5

This package's own timing says first how it would evaluate a long grid: layout, batch size, compiled or not. The bare
forward pass gets the same. Every contender lives in a fresh process of its own on one thread. First each computes the
whole grid, which warms up and compiles, and the losses have to agree within 1e-4: who differs more is left out (bf16:
the difference is printed). Then rounds follow in which each computes the grid again, one after the other in an order
that changes; ratios are taken within a round. The peers are no dependencies of this package: without them a line says
how to install them.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from contenders import CONTENDERS, choice, missing, workload
from rounds import Comparison

BASE, CHOICE = "landscape", "choice"
TIES = 2e-3
"""Share of images whose two largest logits may be equal to rounding."""


def serve(name: str, work: str, points: int, folder: Path, quick: bool, how: str) -> None:
    """One contender: build, then answer each line of the input with seconds, values and peak memory."""
    torch.set_num_threads(1)
    made = workload(work, points, folder, quick=quick)
    if name == CHOICE:
        sys.stdin.readline()
        print("ANSWER " + json.dumps(choice(made) | {"ceiling": ceiling()}), flush=True)
        return
    evaluate = CONTENDERS[name](made, json.loads(how))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in sys.stdin:
        began, worked = time.perf_counter(), time.process_time()
        losses, correct = evaluate()
        answer = {
            "wall": time.perf_counter() - began,
            "cpu": time.process_time() - worked,
            "losses": losses.tolist(),
            "correct": None if correct is None else correct.tolist(),
            "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "before": before / 1024,
        }
        print("ANSWER " + json.dumps(answer), flush=True)


def ceiling(side: int = 1024, repeats: int = 7) -> dict[str, float]:
    """GFLOP/s of square matrix products, the fastest of some: what a precision can win at most on this processor."""
    found = {}
    for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        a, b = torch.randn(2, side, side, dtype=dtype)
        seconds = []
        for _ in range(repeats):
            began = time.perf_counter()
            a @ b
            seconds.append(time.perf_counter() - began)
        found[name] = 2 * side**3 / min(seconds) / 1e9
    return found


class Process:
    """A contender in its own process."""

    def __init__(self, name: str, work: str, points: int, folder: Path, quick: bool, how: Mapping[str, Any]) -> None:
        command = [sys.executable, __file__, "--serve", name, "--workload", work, "--points", str(points)]
        command += ["--folder", str(folder), "--how", json.dumps(how), *(["--quick"] if quick else [])]
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed with the process)
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    def run(self) -> dict[str, Any]:
        """Compute the whole grid once."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith("ANSWER "):
                answer: dict[str, Any] = json.loads(line.removeprefix("ANSWER "))
                return answer
        self._errors.seek(0)
        raise SystemExit(f"a contender failed:\n{self._errors.read()[-2000:]}")

    def close(self) -> None:
        """End the process."""
        self._process.communicate()
        self._errors.close()


def agreement(name: str, answer: dict[str, Any], base: dict[str, Any]) -> tuple[str, bool]:
    """How far a contender's values are from the first one's, and whether float32 explains that."""
    losses, expected = np.array(answer["losses"]), np.array(base["losses"])
    if np.isnan(losses).all():
        return "-", True
    difference = float(np.nanmax(np.abs(losses - expected) / np.abs(expected)))
    words, same = f"loss {difference:.1e}", difference <= 1e-4
    if answer["correct"] is not None:
        apart = float(np.abs(np.array(answer["correct"]) - np.array(base["correct"])).max())
        words, same = f"{words}, accuracy {apart:.1e}", same and apart <= TIES
    return words, same or "bf16" in name


def choose_how(work: str, points: int, folder: Path, quick: bool) -> dict[str, Any]:
    """What this package's timing chooses, from a process of its own; says why."""
    process = Process(CHOICE, work, points, folder, quick, {})
    how = process.run()
    process.close()
    print(f"\n{work}: {'; '.join(how.pop('reasons'))}")
    words = ", ".join(f"{name} {speed:.0f}" for name, speed in how.pop("ceiling").items())
    print(f"what this processor can do on one thread, 1024-cubed matrix products in GFLOP/s: {words}", flush=True)
    return how


def compare(
    work: str, points: int, names: list[str], rounds: int, quick: bool, folder: Path, clock: str, how: dict[str, Any]
) -> None:
    """Time one workload and print its table."""
    names = [name for name in names if name != "landscape, not compiled" or how["compiled"]]
    processes = {name: Process(name, work, points, folder, quick, how) for name in names}
    try:
        first = {name: process.run() for name, process in processes.items()}
        agreed = {}
        for name in list(names):
            agreed[name], same = agreement(name, first[name], first[BASE])
            if not same:
                print(f"{name} is left out: it computes another surface ({agreed[name]}, relative)")
                names.remove(name)
        seconds = np.empty((rounds, len(names)))
        order, last = np.random.default_rng(0), {}
        for row in seconds:
            for i in order.permutation(len(names)):
                last[names[i]] = processes[names[i]].run()
                row[i] = last[names[i]][clock] / points**2
    finally:
        for process in processes.values():
            process.close()
    result = Comparison(tuple(names), seconds)
    print(f"\n{work}, {points} x {points} points, {clock} time")
    print(result.table("point"))
    print("\nlargest relative difference from the first; memory added by the grid (MiB)")
    for name in names:
        print(f"{name:24} {agreed[name]:36} {last[name]['peak'] - last[name]['before']:8.0f}")
    sys.stdout.flush()


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", nargs="+", default=["resnet20", "resnet18", "lite0"])
    parser.add_argument("--points", nargs="+", type=int, default=[5, 11], help="along each axis, odd")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", default=list(CONTENDERS), help="contenders")
    parser.add_argument("--quick", action="store_true", help="3 x 3 points, an eighth of the images, 3 rounds")
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall", help="cpu: where others use the processor")
    parser.add_argument("--folder", type=Path, default=None, help=argparse.SUPPRESS)
    parser.add_argument("--serve", default=None, help=argparse.SUPPRESS)
    parser.add_argument("--how", default="{}", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve is not None:
        serve(options.serve, options.workload[0], options.points[0], options.folder, options.quick, options.how)
        return
    if options.quick:
        options.points, options.rounds = [3], min(options.rounds, 3)
    names = [BASE, *(name for name in options.only if name != BASE)]
    for name in list(names):
        if words := missing(name):
            print(words)
            names.remove(name)
    print(f"{platform.machine()}, torch {torch.__version__}, one thread a process, {os.cpu_count()} processors")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for work in options.workload:
            how = choose_how(work, options.points[0], folder, options.quick)
            for points in options.points:
                compare(work, points, names, options.rounds, options.quick, folder, options.clock, how)


if __name__ == "__main__":
    main()
