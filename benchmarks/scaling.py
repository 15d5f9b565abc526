"""Seconds of a surface against points and images: the cost is points times images, and little else.

    OMP_NUM_THREADS=1 python benchmarks/scaling.py --quick
    OMP_NUM_THREADS=1 python benchmarks/scaling.py --workload lite0 --rounds 5

Every pair of points and images is measured in interleaved rounds, so that a drift of the machine's speed meets all of
them. Then ``seconds = a + b * points + c * points * images`` is fitted to the medians by least squares relative to each
median; the table shows what each pair costs, and what the fit leaves over.
"""

import argparse
import itertools
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from contenders import workload
from rounds import compare

from landscape.evaluation import Evaluator


def fit(points: np.ndarray, images: np.ndarray, seconds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients (a, b, c) and the (n,) relative residuals of ``a + b points + c points images``."""
    columns = np.stack([np.ones(len(points)), points, points * images], axis=1) / seconds[:, None]
    coefficients = np.linalg.lstsq(columns, np.ones(len(points)), rcond=None)[0]
    return coefficients, columns @ coefficients - 1


def main() -> None:
    """Parse, run, print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", default="lite0", choices=["resnet20", "resnet18", "lite0"])
    parser.add_argument("--points", nargs="+", type=int, default=[3, 5, 7], help="along each axis, odd")
    parser.add_argument("--images", nargs="+", type=int, default=[128, 256, 512, 1024])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="few points and images, 3 rounds")
    options = parser.parse_args()
    if options.quick:
        options.points, options.images, options.rounds = [3, 5], [32, 64], 3
    with tempfile.TemporaryDirectory() as temporary:
        work = workload(options.workload, max(options.points), Path(temporary))
    pairs = list(itertools.product(options.points, options.images))
    if max(options.images) > len(work.labels):
        raise SystemExit(f"the workload has {len(work.labels)} images; give --images up to that.")
    mean, std = work.colour

    def contender(count: int, images: int) -> Callable[[], float]:
        rows = np.linspace(0, len(work.labels) - 1, images).astype(int)
        evaluator = Evaluator(work.network, work.pixels, work.labels, rows=rows, mean=mean, std=std)
        span = evaluator.span(dict(work.network.named_parameters()), work.e1, work.e2)
        axis = np.linspace(work.axis[0], work.axis[-1], count).tolist()

        def run() -> float:
            began = time.perf_counter()
            for y, x in itertools.product(axis, axis):
                evaluator.at(span.point(x, y))
            return time.perf_counter() - began

        return run

    result = compare({f"{p} x {p}, {n}": contender(p, n) for p, n in pairs}, options.rounds)
    points, images = np.array([p**2 for p, _ in pairs]), np.array([n for _, n in pairs])
    coefficients, residuals = fit(points, images, result.medians)
    machine = (
        f"{platform.machine()}, {torch.get_num_threads()} of {os.cpu_count()} processors, torch {torch.__version__}"
    )
    print(f"`python {' '.join(sys.argv)}` ({machine}; {options.workload}, {work.pixels.shape[1]} px)\n")
    print("| points | images | s | ms a point and image | fit - measured |\n|---:|---:|---:|---:|---:|")
    for p, n, s, r in zip(points, images, result.medians, residuals, strict=True):
        print(f"| {p} | {n} | {s:.2f} | {1e3 * s / p / n:.3f} | {r:+.1%} |")
    a, b, c = 1e3 * coefficients
    print(
        f"\nfit: {a:.1f} ms + {b:.2f} ms a point + {c:.4f} ms a point and image; largest residual "
        f"{np.abs(residuals).max():.1%}; medians of {options.rounds} interleaved rounds"
    )


if __name__ == "__main__":
    main()
