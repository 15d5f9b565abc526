"""Peak memory of a surface against the bare forward pass, and of a point over images in a mapped file.

    python benchmarks/memory.py --quick
    python benchmarks/memory.py

Each contender runs in a fresh process with one thread. What counts is the highest value of its own (anonymous) memory,
sampled every 5 ms, minus that of the process once it holds images and network. Pages of mapped files, such as those of
checkpoints, are the operating system's to take back at any moment; the largest resident set, which has them, stands
beside it in brackets. Freed memory goes back to the system at once here, so that what is counted is what is held; as
this package runs otherwise (landscape.hardware.keep_freed_memory) it stays with the process: --kept shows that.

bare    the folded network in place of the given one, run over batches in memory-mapped order: nothing else is held.
points  an evaluator, and 9 points of a plane whose vectors are the caller's: what a surface needs while it evaluates.
whole   Surface.through of three checkpoint files, all it does from reading to the last point. Half of the same images
        are a source domain, the others the target.

The second table maps a file of random pixels into memory and evaluates one point over it. No limit is set.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from contenders import Workload, workload
from torch import nn

from landscape.checkpoint import Checkpoint
from landscape.compute import Compute
from landscape.data import DomainImages, Task, split_images
from landscape.evaluation import Evaluator
from landscape.surface import Surface
from landscape.surface.recipe import Where
from landscape.weights import weights_of

MIB = 2**20
CONTENDERS = ("bare", "points", "whole")


def status(name: str) -> float:
    """A line of this process's ``/proc/self/status`` in MiB."""
    with open("/proc/self/status") as file:
        found = next(line for line in file if line.startswith(f"{name}:"))
    return int(found.split()[1]) / 1024


def forget_the_peak() -> None:
    """Begin ``VmHWM`` anew at what is resident now."""
    Path("/proc/self/clear_refs").write_text("5")


@contextmanager
def highest(name: str) -> Iterator[list[float]]:
    """The highest value of a line of the status within the block, in MiB; the kernel keeps a peak of VmRSS only."""
    found, done = [status(name)], threading.Event()

    def watch() -> None:
        while not done.wait(0.005):
            found[0] = max(found[0], status(name))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        done.set()
        thread.join()
        found[0] = max(found[0], status(name))


def task_of(pixels: np.ndarray, labels: np.ndarray) -> Task:
    """The images as a task: the first half a source domain, the second one the target."""
    count = len(labels)
    images = DomainImages(
        name="benchmark",
        domains=("source", "target"),
        classes=tuple(map(str, range(int(labels.max()) + 1))),
        pixels=pixels,
        labels=labels,
        domain=(np.arange(count) >= count // 2).astype(np.int64),
        files=tuple(map(str, range(count))),
        concepts=None,
        unreadable=(),
        digest="benchmark",
    )
    return Task(images, split_images(images, seed=0), "target")


def bare(evaluator: Evaluator, images: int) -> None:
    """Run the folded network over the images."""
    network, size, batch = evaluator.network, evaluator.batch_size, evaluator._images.batch
    with torch.inference_mode():
        for start in range(0, images, size):
            network(batch(start, min(start + size, images)))


def checkpoints_of(work: Workload, folder: Path) -> list[Path]:
    """Three checkpoint files: the network's own weights, and one step along either direction."""
    files = [folder / f"{name}.safetensors" for name in ("a", "b", "c")]
    state = work.network.state_dict()
    for file, axis in zip(files, ({}, work.e1, work.e2), strict=True):
        moved = {name: tensor + axis[name] if name in axis else tensor for name, tensor in state.items()}
        Checkpoint(model=moved).save(file)
    return files


def serve(contender: str, work: Workload, pixels: np.ndarray, labels: np.ndarray, points: int, folder: Path) -> None:
    """Do the work of one contender, and say what it took beyond this process with images and network."""
    mean, std = work.colour

    def build(**options: Any) -> Evaluator:
        return Evaluator(work.network, pixels, labels, mean=mean, std=std, keep_given=False, **options)

    # What is loaded at the first use is no one's.
    first = build(rows=np.arange(2))
    first.at()
    batch_size = first.batch_size
    del first
    small, count = nn.Sequential(nn.Flatten(), nn.Linear(pixels[0].size, 8)), min(32, len(labels))
    every = np.linspace(0, len(labels) - 1, count).astype(int)
    spread = [{name: tensor * scale for name, tensor in weights_of(small).items()} for scale in (1.0, 2.0)]
    spread.append({name: torch.randn_like(tensor) for name, tensor in spread[0].items()})
    Surface.through(
        *spread, task_of(pixels[every], labels[every]), network=small, where=Where(points=2), progress=False
    )
    size = sum(parameter.numel() for parameter in work.network.parameters()) * 4 / MIB
    anchors = checkpoints_of(work, folder) if contender == "whole" else []
    resident, own, evaluator = status("VmRSS"), status("RssAnon"), None
    if contender == "bare":
        evaluator = build()
        # Its network is a copy of the given one, which the pass does not need.
        resident, own = resident + size, own + size
    forget_the_peak()
    with highest("RssAnon") as most:
        if evaluator is not None:
            bare(evaluator, len(labels))
        elif contender == "points":
            evaluator = build()
            span = evaluator.span(dict(work.network.named_parameters()), work.e1, work.e2)
            for index in range(points):
                evaluator.at(span.point(work.axis[index % 3], work.axis[index // 3 % 3]))
        else:
            network = work.network
            network.mean, network.std = mean, std  # type: ignore[assignment]
            task = task_of(pixels, labels)
            how = Compute(batch_size=batch_size)
            Surface.through(*anchors, task, network=network, where=Where(points=3), compute=how, progress=False)
    answer = {"peak": status("VmHWM") - resident, "own": most[0] - own, "weights": size}
    print("ANSWER " + json.dumps(answer), flush=True)


def ask(
    contender: str, work: str, folder: Path, *, mapped: int = 0, points: int = 9, kept: bool = False
) -> dict[str, float]:
    """A contender's answer, from its own process."""
    command = [sys.executable, __file__, "--serve", contender, "--workload", work, "--folder", str(folder)]
    command += ["--mapped", str(mapped), "--points", str(points)]
    env = {**os.environ, "OMP_NUM_THREADS": "1"} | ({} if kept else {"MALLOC_MMAP_THRESHOLD_": "65536"})
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    for line in done.stdout.splitlines():
        if line.startswith("ANSWER "):
            found: dict[str, float] = json.loads(line.removeprefix("ANSWER "))
            return found
    raise SystemExit(f"{contender} failed:\n{done.stderr[-2000:]}")


def against_bare(works: list[str], folder: Path, rounds: int, kept: bool) -> None:
    """Print the table of peaks."""
    print("| MiB | weights | bare | points | whole | points - bare, whole - bare, in copies of the weights |")
    print("|---|---:|---:|---:|---:|---|")
    for work in works:
        answers = [{name: ask(name, work, folder, kept=kept) for name in CONTENDERS} for _ in range(rounds)]
        own, peak = (
            {name: float(np.median([each[name][what] for each in answers])) for name in CONTENDERS}
            for what in ("own", "peak")
        )
        weights = answers[0]["bare"]["weights"]
        more = ", ".join(
            f"{(own[name] - own['bare']) / weights:+.1f} ({(peak[name] - peak['bare']) / weights:+.1f})"
            for name in CONTENDERS[1:]
        )
        cells = " | ".join(f"{own[name]:.0f} ({peak[name]:.0f})" for name in CONTENDERS)
        print(f"| {work} | {weights:.1f} | {cells} | {more} |")
    print(f"\nmedians of {rounds} processes each\n")


def beyond_memory(work: str, folder: Path, size: int) -> None:
    """Print the table of a mapped file."""
    block = np.random.default_rng(0).integers(0, 256, 4 * MIB, dtype=np.uint8).tobytes()
    with open(folder / "pixels.u8", "wb") as file:
        for _ in range(-(-size // 4)):
            file.write(block)
    answer = ask("points", work, folder, mapped=size, points=1)
    print("| mapped file | own memory added, highest | peak added, with the file's pages |\n|---:|---:|---:|")
    print(f"| {size:,} MiB | {answer['own']:.0f} MiB | {answer['peak']:.0f} MiB |")


def main() -> None:
    """Parse, run, print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", nargs="+", default=["resnet20", "resnet18", "lite0"])
    parser.add_argument("--rounds", type=int, default=3, help="fresh processes of each contender")
    parser.add_argument("--kept", action="store_true", help="freed memory stays with the process, as in use")
    parser.add_argument("--size", type=int, default=256, help="MiB of the mapped file")
    parser.add_argument("--quick", action="store_true", help="ResNet-20 only, one process each, 4 MiB")
    parser.add_argument("--serve", default=None, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, default=None, help=argparse.SUPPRESS)
    parser.add_argument("--mapped", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--points", type=int, default=9, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve is not None:
        torch.set_num_threads(1)
        work = workload(options.workload[0], 3, options.folder)
        pixels, labels = work.pixels, work.labels
        if options.mapped:
            side = pixels.shape[1]
            shape = (options.mapped * MIB // (3 * side * side), side, side, 3)
            pixels = np.asarray(np.memmap(options.folder / "pixels.u8", dtype=np.uint8, mode="r", shape=shape))
            labels = np.arange(len(pixels)) % 7
        serve(options.serve, work, pixels, labels, options.points, options.folder)
        return
    if options.quick:
        options.workload, options.rounds, options.size = ["resnet20"], 1, 4
    print(f"`python {' '.join(sys.argv)}` ({platform.machine()}, one thread a process, torch {torch.__version__})\n")
    with tempfile.TemporaryDirectory() as temporary:
        against_bare(options.workload, Path(temporary), options.rounds, options.kept)
        beyond_memory(options.workload[0], Path(temporary), options.size)


if __name__ == "__main__":
    main()
