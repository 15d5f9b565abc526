"""A loss surface on a GPU: points a second, achieved TFLOP/s, and the time relative to the bare forward pass.

    python benchmarks/gpu.py
    python benchmarks/gpu.py --precision bf16 --whole
    python benchmarks/gpu.py --device cpu --model resnet18 --size 32 --images 64 --points 3 --rounds 1 --passes 2

The goal: 25 x 25 points of ResNet-50 over 20,000 images of 224 px in under 10 minutes. Speed does not depend on what
images show: they are random bytes from a seed (20,000 of them take 3 GB, here and on the device), for a random network.
This package's timing chooses layout, batch size, and compiled or not. A round times --passes points, spread over the
grid so that most have a row of their own, which costs a little more than row after row; the minutes are extrapolated,
with --whole measured. The bare forward pass has the same folded network, layout, batch size and arithmetic, compiled if
ours is; its weights stay as they are, and its batches lie normalised on the device, as many of them as fit into 2 GiB,
cycled. Both take turns, and the device has finished at each reading of the clock. TFLOP/s are those of the network
before batch norm is folded, a multiplication and an addition counting as two.
"""

import argparse
import itertools
import math
import platform
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from contenders import K, Workload, builder
from rounds import compare
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.flop_counter import FlopCounterMode

from landscape import command
from landscape.errors import InputError
from landscape.evaluation import Evaluator
from landscape.evaluation.timing import choose, choose_precision, sample
from landscape.hardware import autocast, resolve_device
from landscape.models import build_network

PRECISIONS = ("fp32", "tf32", "bf16")
HELD = 2 * 2**30
"""Bytes of normalised batches that the bare forward pass has on the device."""


def workload(model: str, size: int, images: int, points: int) -> Workload:
    """A random network, random images, and two random directions with a fifth of the norm of each of its tensors."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (images, size, size, 3), dtype=np.uint8)
    network = build_network(model, num_classes=K, weights="none", batch_norm="train")
    # The statistics of one batch: with those of an untrained network activations double from block to block.
    for module in network.modules():
        if isinstance(module, _BatchNorm):
            module.momentum = 1.0
    with torch.no_grad():
        network.train()(torch.randn(8, 3, size, size))
    network.eval()
    axes = []
    for _ in range(2):
        axis = {name: torch.randn_like(tensor).detach() for name, tensor in network.named_parameters()}
        axes.append({n: axis[n] * (0.2 * t.detach().norm() / axis[n].norm()) for n, t in network.named_parameters()})
    line = np.linspace(-1, 1, points).tolist()
    return Workload(network, pixels, rng.integers(0, K, images), [], False, *axes, line)


def flops_of(network: nn.Module, size: int) -> int:
    """Floating-point operations of one image's forward pass."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, 3, size, size))
    return int(counter.get_total_flops())


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """Time of some work, the device having finished before and after it."""
    wait = partial(torch.accelerator.synchronize, device) if device.type != "cpu" else lambda: None
    wait()
    began = time.perf_counter()
    work()
    wait()
    return time.perf_counter() - began


def surface(evaluator: Evaluator, work: Workload) -> Callable[[Sequence[tuple[float, float]]], list[float]]:
    """This package: the mean loss at each of some points."""
    span = evaluator.span(dict(work.network.named_parameters()), work.e1, work.e2)
    return lambda points: [float(evaluator.at(span.point(x, y)).loss.mean()) for x, y in points]


def bare(evaluator: Evaluator) -> Callable[[], None]:
    """The evaluator's own network, compiled if that is, once over as many images as the evaluator has."""
    count, size = len(evaluator.rows), evaluator._per_batch
    distinct = min(math.ceil(count / size), max(1, HELD // (size * evaluator._batch(0, 1).nbytes)))
    # Compiled code takes batches of one size only; the evaluator fills up its last one, too.
    starts = [min(k * size, count - size) if evaluator.compiled else k * size for k in range(distinct)]
    held = [evaluator._batch(start, min(start + size, count)) for start in starts]

    def evaluate() -> None:
        batches = itertools.cycle(held)
        with torch.inference_mode(), evaluator._arithmetic(), autocast(evaluator.device, evaluator.precision):
            left = count
            while left > 0:
                images = next(batches)
                evaluator._forward(images if evaluator.compiled else images[:left])
                left -= len(images)

    return evaluate


def cost(work: Workload, device: torch.device, precision: str) -> float:
    """Largest relative difference of the mean loss from that in fp32, at three points, over a sample of the images."""
    points = [(x, x) for x in (work.axis[0], 0.0, work.axis[-1])]
    make = partial(builder(work), device=device, rows=sample(len(work.labels)))
    exact, rough = (np.array(surface(make(precision=each), work)(points)) for each in ("fp32", precision))
    return float((np.abs(rough - exact) / np.abs(exact)).max())


def measure(work: Workload, device: torch.device, name: str, options: argparse.Namespace, flops: int) -> list[str]:
    """Print the row of one precision.

    Returns:
        What was chosen for it, in sentences.
    """
    count, grid, build = len(work.labels), list(work.points()), partial(builder(work), device=device)
    key = f"{options.model} {options.size}"
    precision, why = name, "asked for"
    if name == "auto":
        precision, why = choose_precision(build, count=count, device=str(device), key=key)
    made = choose(build, count=count, passes=len(grid), precision=precision)
    how = {name: getattr(made, name) for name in ("batch_size", "compiled", "channels_last")}
    evaluator = build(precision=precision, **how)
    ours = surface(evaluator, work)
    ours(grid[:1])  # before the bare batches are cut: a full memory halves the evaluator's, and a compiler may fail
    forward = bare(evaluator)
    some = [grid[i] for i in np.linspace(0, len(grid) - 1, min(options.passes, len(grid))).astype(int)]
    contenders = {"bare": lambda: [forward() for _ in some], "ours": lambda: ours(some)}
    result = compare({k: lambda w=w: seconds(w, device) / len(some) for k, w in contenders.items()}, options.rounds)
    each = float(result.medians[1])
    whole = seconds(lambda: ours(grid), device) if options.whole else each * len(grid)
    middle, low, high = result.ratio("ours")
    speed = f"{1 / each:,.3g} | {count / each:,.0f} | {count * flops / each / 1e12:,.3g}"
    relative = f"{middle:.3f} [{low:.3f}, {high:.3f}] | {whole / 60:,.3g}"
    difference = "-" if precision == "fp32" else f"{cost(work, device, precision):.1e}"
    print(f"| {precision} | {speed} | {relative} | {difference} |", flush=True)
    final = how | {"batch_size": evaluator.batch_size, "compiled": evaluator.compiled}
    words = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in final.items())
    return [f"{precision} ({why}): {'; '.join([words, *made.reasons, *evaluator.notes])}"]


def main() -> None:
    """Parse, run, print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--model", default="resnet50")
    parser.add_argument("--size", type=int, default=224, help="side of the images in pixels")
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--points", type=int, default=25, help="along each axis")
    parser.add_argument("--precision", choices=["auto", *PRECISIONS], default=None, help="by default all, in turn")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--passes", type=int, default=5, help="points that a round times")
    parser.add_argument("--whole", action="store_true", help="evaluate the whole grid, too, once")
    options = parser.parse_args()
    for name in ("size", "images", "points", "rounds", "passes"):
        if getattr(options, name) < 1:
            raise InputError(f"--{name} is {getattr(options, name)}; expected at least 1.")
    device = resolve_device(options.device)
    names, notes = [options.precision] if options.precision else list(PRECISIONS), []
    if len(names) > 1 and device.type != "cuda":
        names.remove("tf32")
        notes = ["tf32 is left out: it needs a CUDA device"]
    work = workload(options.model, options.size, options.images, options.points)
    flops = flops_of(work.network, options.size)
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device.type} ({platform.machine()})"
    print(f"`python {' '.join(sys.argv)}`\n{where}, torch {torch.__version__}, CUDA {torch.version.cuda or 'none'}")
    print(f"{options.model}, {options.images:,} random images of {options.size} px, {flops / 1e9:.4g} GFLOP an image\n")
    how = "measured" if options.whole else "extrapolated"
    print("|  | points/s | images/s | TFLOP/s | time relative to bare forward | ", end="")
    print(f"minutes for {options.points} x {options.points}, {how} | loss against fp32, relative |")
    print("|---|---:|---:|---:|---|---:|---:|", flush=True)
    for name in names:
        notes += measure(work, device, name, options, flops)
    print(f"\nmedians of rounds of {options.passes} points ({options.rounds}), with 95 % intervals\n")
    print("\n".join(f"- {note}" for note in notes))


if __name__ == "__main__":
    command.run(main)
