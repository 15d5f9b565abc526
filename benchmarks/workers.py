"""Points of a surface on two Ray workers, on two bare processes of one thread each, and on one such process.

    python benchmarks/workers.py --quick
    python benchmarks/workers.py --points 7 --rounds 5

The same network, images and points, in fresh processes. The bare processes share nothing and know their points in
advance, one half each: nothing can be faster with two processes. Ray's time includes handing out blocks and bringing
the values home, and excludes its start, which is printed. Values have to be equal bit for bit. Two processes of one
machine share its memory and caches, so that their own efficiency against one is below 1; Ray is judged by what it adds.
"""

import argparse
import logging
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from contenders import workload
from rounds import Comparison, compare

from landscape.config import RunConfig
from landscape.data import open_task
from landscape.evaluation.timing import Choice
from landscape.surface.distributed import Bench, Parcel, Point, connected
from landscape.surface.plan import Plan
from landscape.surface.recipe import Where
from landscape.surface.setting import Setting
from landscape.weights import weights_of


def parcel(points: int, folder: Path, quick: bool) -> tuple[Parcel, list[Point]]:
    """ResNet-18 on the training images of SixStyles at 64 px; the same bits in every process."""
    torch.set_num_threads(1)  # the plane's dot products depend on it in their last bits
    network = workload("resnet18", 3, folder, quick=True).network
    task = open_task(RunConfig(image_size=64), progress=False)
    rows = task.source_rows("in")[:: 16 if quick else 2]
    torch.manual_seed(1)
    weights = weights_of(network)
    anchors = [
        {
            name: tensor + 0.05 * index * tensor.std(correction=0) * torch.randn_like(tensor)
            for name, tensor in weights.items()
        }
        for index in range(3)
    ]
    setting = Setting.through(*anchors, task, network=network, progress=False)
    plan = Plan.of(setting, Where(points=points), progress=False)
    choice = Choice("fp32", 64, False, float("nan"))
    cells = [(f"{i},{j}", float(plan.grid.x[j]), float(plan.grid.y[i])) for i, j in plan.grid.cells()]
    return Parcel.of(plan, rows, device="cpu", choice=choice), cells


def serve(points: int, folder: Path, quick: bool, part: int, parts: int) -> None:
    """One bare process: build, then evaluate its share of the points for each line of the input."""
    packed, cells = parcel(points, folder, quick)
    bench, size = Bench(packed), len(cells) // parts
    mine = cells[part * size : (part + 1) * size if part < parts - 1 else len(cells)]
    for _ in sys.stdin:
        rows, _ = bench.block(mine)
        print("ANSWER " + " ".join(row["panels"]["train_loss"].hex() for row in rows), flush=True)


class Bare:
    """Processes that share the points among them, and nothing else."""

    def __init__(self, parts: int, points: int, folder: Path, quick: bool) -> None:
        self._processes = [
            subprocess.Popen(
                [
                    *(sys.executable, __file__, "--serve", str(part), str(parts), "--points", str(points)),
                    *("--folder", str(folder), *(["--quick"] if quick else [])),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
            for part in range(parts)
        ]

    def run(self) -> list[float]:
        """Losses of all points, in order."""
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        return [float.fromhex(word) for process in self._processes for word in _answer(process)]

    def close(self) -> None:
        """End the processes."""
        for process in self._processes:
            process.communicate()


def _answer(process: subprocess.Popen[str]) -> list[str]:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("ANSWER "):
            return line.split()[1:]
    raise SystemExit("a bare process failed")


def timed(run: Callable[[], list[float]], expected: list[float]) -> float:
    """Seconds of all points.

    Raises:
        SystemExit: other values than the first contender's.
    """
    began = time.perf_counter()
    losses = run()
    seconds = time.perf_counter() - began
    if not expected:
        expected += losses
    if losses != expected:
        raise SystemExit(f"values differ by {np.abs(np.array(losses) - np.array(expected)).max():.1e}")
    return seconds


@contextmanager
def two_workers() -> Iterator[None]:
    """A Ray of two workers on this machine, however many processors it has."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray

    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    try:
        yield
    finally:
        ray.shutdown()


def measure(points: int, rounds: int, quick: bool, folder: Path) -> Comparison:
    """Seconds a point of each contender."""
    packed, cells = parcel(points, folder, quick)
    began = time.perf_counter()
    with two_workers(), connected(packed) as evaluate:
        ours = {key: index for index, (key, _, _) in enumerate(cells)}

        def on_ray() -> list[float]:
            losses = [0.0] * len(cells)
            for key, row, _ in evaluate(cells):
                losses[ours[key]] = row["panels"]["train_loss"]
            return losses

        on_ray()
        print(
            f"Ray's start, with the workers' imports and one pass: {time.perf_counter() - began:.0f} s", file=sys.stderr
        )
        bare = {parts: Bare(parts, points, folder, quick) for parts in (1, 2)}
        expected: list[float] = []
        runs = {
            "two bare processes": bare[2].run,
            "two Ray workers": on_ray,
            "one bare process": bare[1].run,
        }
        try:
            return compare(
                {name: lambda run=run: timed(run, expected) / len(cells) for name, run in runs.items()}, rounds
            )
        finally:
            for processes in bare.values():
                processes.close()


def main() -> None:
    """Parse, run, print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=7, help="along each axis")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="3 x 3 points, an eighth of the images, 3 rounds")
    parser.add_argument("--folder", type=Path, default=None, help=argparse.SUPPRESS)
    parser.add_argument("--serve", nargs=2, type=int, default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve is not None:
        serve(options.points, options.folder, options.quick, *options.serve)
        return
    if options.quick:
        options.points, options.rounds = 3, min(options.rounds, 3)
    with tempfile.TemporaryDirectory() as temporary:
        result = measure(options.points, options.rounds, options.quick, Path(temporary))
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("torch", "ray"))
    print(f"`python {' '.join(sys.argv)}` ({platform.machine()}, {os.cpu_count()} processors, {versions})\n")
    print("| | ms/point | time relative to two bare processes [95 % interval] |\n|---|---:|---|")
    for name, median in zip(result.names, result.medians, strict=True):
        middle, low, high = result.ratio(name)
        print(f"| {name} | {1e3 * median:.1f} | {middle:.3f} [{low:.3f}, {high:.3f}] |")
    middle, low, high = (value / 2 for value in result.ratio("one bare process"))
    print(
        f"\nefficiency of two bare processes: {middle:.2f} [{low:.2f}, {high:.2f}]; {options.rounds} interleaved rounds"
    )


if __name__ == "__main__":
    main()
