"""What FGMix adds to a training step: its active step (from T0 on) against ERM's, in one run.

    OMP_NUM_THREADS=1 python benchmarks/step_time.py
    python benchmarks/step_time.py --rounds 15 --size 224        # as in training, all threads

Both train the same network on the same minibatches, in interleaved rounds; ratios are taken within a round. The paper
reports 312.7 against 284.8 ms, 1.098, averaged over 5,000 steps of which the first 3,000 are plain ERM (Table 1);
that implies 1.245 for an active step. Both readings are printed.

The settings: EfficientNet-Lite0 as in the demo; ResNet-50, whose classifier has 2,048 inputs, with 7 classes (PACS),
65 (OfficeHome) and 345 (DomainNet). On small images the backbone is cheap and FGMix's part is the same, so that the
ratios at the default 64 px are above those of the papers' 224 px. With many classes minibatches come from the
class-first sampler, as in the paper, or nothing could be mixed.
"""

import argparse
import time
from collections.abc import Callable
from itertools import count

import numpy as np
import torch
from rounds import Comparison, compare

from landscape.algorithms import Facts, build_algorithm
from landscape.config import MixupConfig, RunConfig
from landscape.data import Minibatch
from landscape.hardware import resolve_device, to_channels_last
from landscape.models import build_network
from landscape.seeding import torch_seed

SETTINGS = {
    "Lite0, 7 classes": ("efficientnet_lite0", 7),
    "ResNet-50, 7 classes": ("resnet50", 7),
    "ResNet-50, 65 classes": ("resnet50", 65),
    "ResNet-50, 345 classes": ("resnet50", 345),
}
SOURCES, BATCH = 3, 32
# Share of active steps: the paper's schedule.
STEPS, START = 5000, 3000


def contender(algorithm: str, model: str, classes: int, size: int, steps: int, device: str) -> Callable[[], float]:
    """Seconds a step of one algorithm, always active."""
    config = RunConfig(
        algorithm=algorithm,
        model=model,
        weights="none",
        batch_norm="frozen",
        precision="fp32",
        lr=1e-8,  # keeps random weights under frozen batch norm from running away; costs the same
        mixup=MixupConfig(start=1),
    )
    with torch_seed(0, "model"):
        network = build_network(model, num_classes=classes, weights="none", batch_norm="frozen")
    to_channels_last(network, resolve_device(device))
    network.train()
    sources = tuple(f"source {number}" for number in range(SOURCES))
    facts = Facts(sources, tuple(f"class {k}" for k in range(classes)), (BATCH,) * SOURCES)
    trained = build_algorithm(network, config, facts)
    step = count(1)

    def run() -> float:
        batches = [minibatch(next(step), classes, size, device) for _ in range(steps)]
        began = time.perf_counter()
        for number, batch in enumerate(batches, 1):
            metrics = trained.update(batch, number)
            float(metrics["loss"])  # waits for the device
        return (time.perf_counter() - began) / steps

    return run


def minibatch(step: int, classes: int, size: int, device: str) -> Minibatch:
    """Random images; labels as the class-first sampler gives them, of at most 8 classes a step."""
    generator = np.random.default_rng(step)
    chosen = generator.choice(classes, min(classes, 8), replace=False)
    labels = torch.from_numpy(generator.choice(chosen, (SOURCES, BATCH)))
    images = torch.rand(SOURCES * BATCH, 3, size, size, generator=torch.Generator().manual_seed(step))
    images = images.contiguous(memory_format=torch.channels_last).unflatten(0, (SOURCES, BATCH))
    return Minibatch(images.to(device), labels.to(device), np.zeros((SOURCES, BATCH), np.int64))


def schedule_average(ratio: float) -> float:
    """Mean step relative to ERM's over the paper's schedule."""
    return (START + (STEPS - START) * ratio) / STEPS


def report(name: str, result: Comparison) -> None:
    """Active step and schedule average, each with its interval over rounds."""
    active = result.ratio("FGMix")
    average = [schedule_average(value) for value in active]
    erm, fgmix = 1e3 * result.medians
    print(
        f"{name:24}{erm:10.0f}{fgmix:10.0f}   {active[0]:.3f} [{active[1]:.3f}, {active[2]:.3f}]"
        f"   {average[0]:.3f} [{average[1]:.3f}, {average[2]:.3f}]",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=64, help="side of the images in pixels")
    parser.add_argument("--steps", type=int, default=1, help="steps timed in each round")
    parser.add_argument("--rounds", type=int, default=11, help="interleaved rounds")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--only", help="only the settings whose name contains this")
    options = parser.parse_args()

    print(f"{SOURCES} domains x {BATCH} images of {options.size} px a step, float32, {options.device}")
    print(f"torch threads: {torch.get_num_threads()}; median of {options.rounds} interleaved rounds [95 % interval]\n")
    print(f"{'':24}{'ERM, ms':>10}{'FGMix, ms':>10}   {'active step':22}   average, T0 {START} of {STEPS}")
    for name, (model, classes) in SETTINGS.items():
        if options.only and options.only.lower() not in name.lower():
            continue
        contenders = {
            label: contender(algorithm, model, classes, options.size, options.steps, options.device)
            for label, algorithm in (("ERM", "erm"), ("FGMix", "fgmix"))
        }
        report(name, compare(contenders, options.rounds))
    print("\npaper (A100, ResNet-50, 224 px):                  1.245 (implied)          1.098")


if __name__ == "__main__":
    main()
