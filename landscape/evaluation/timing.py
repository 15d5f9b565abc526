"""A short timing that decides how a network is evaluated: precision, layout, batch size, compiled or not."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np
from torch import Tensor

from landscape.compute import Compile, Precision
from landscape.evaluation.evaluator import Evaluator
from landscape.hardware import ComputePrecision, Timer, resolve_device, resolve_precision

IMAGES = 192
"""Images that a timing looks at, or two batches if these are more."""
_FIRST = 32
"""Images that tell how long the work is going to take."""
_PASS = 1.0
"""Seconds that one of a timing's some thirty passes may take; with slow networks they see fewer images."""
_WORTH_TIMING = 20.0
"""Seconds of work from which trying batch sizes pays."""
_COMPILATION = 40.0
"""Seconds that compiling takes, cold, twice: for the timing and for the work."""
_COMPILED_GAIN = 1.5
"""The most that compiling may be hoped to win."""


class Build(Protocol):
    """Makes an evaluator of some images; rows count within those that it is for."""

    def __call__(
        self,
        *,
        rows: np.ndarray | None = None,
        precision: Precision = "fp32",
        batch_size: int | None = None,
        compiled: bool = False,
        channels_last: bool = True,
    ) -> Evaluator:
        """An evaluator; the options are those of :class:`~landscape.evaluation.Evaluator`."""


@dataclass(frozen=True)
class Choice:
    """How to evaluate, and why.

    Attributes:
        precision: of the forward passes.
        batch_size: images a forward pass.
        compiled: through ``torch.compile``.
        channels_last: the memory layout. Channels-last is the faster one for most networks (1.2 to 1.6 times for
            ResNet-20 and EfficientNet-Lite0 on a CPU), but ResNet-18 at 64 px is 1.3 times faster without.
        seconds: what one pass over all images is going to take.
        reasons: what was tried and chosen, in sentences.
    """

    precision: Precision
    batch_size: int
    compiled: bool
    seconds: float
    reasons: tuple[str, ...] = ()
    channels_last: bool = True

    def build(self, build: Build) -> Evaluator:
        """The evaluator that was chosen."""
        return build(
            precision=self.precision,
            batch_size=self.batch_size,
            compiled=self.compiled,
            channels_last=self.channels_last,
        )


def seconds_of(work: Callable[[], object]) -> float:
    """Seconds that some work takes, the faster of two times: the first one warms up."""
    seconds = []
    for _ in range(2):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def sample(count: int, images: int = IMAGES) -> np.ndarray:
    """Rows of a timing, spread over all `count` images."""
    return np.unique(np.linspace(0, count - 1, min(count, images)).astype(int))


def choose_precision(build: Build, *, count: int, device: str, key: str) -> tuple[Precision, str]:
    """What ``auto`` comes to: asks :func:`landscape.hardware.resolve_precision` with a forward pass.

    Args:
        build: makes an evaluator.
        count: images there are.
        device: where to compute.
        key: what is evaluated: network and image size, under which the verdict is remembered.

    Returns:
        The precision, and why.
    """
    made: dict[str, Evaluator] = {}

    def seconds(name: ComputePrecision) -> float:
        if name not in made:
            made[name] = build(rows=sample(count), precision=name)
        return _timed(made[name])

    choice = resolve_precision("auto", resolve_device(device), cast(Timer, seconds), key=f"evaluation {key}")
    return choice.precision, choice.reason


def choose(
    build: Build,
    *,
    count: int,
    passes: int,
    precision: Precision = "fp32",
    batch_size: int | None = None,
    compiled: Compile = "auto",
    codes: bool = False,
) -> Choice:
    """Try memory layouts, batch sizes and, where the work is long enough to pay it back, compiling.

    Args:
        build: makes an evaluator.
        count: images there are.
        passes: how many times all of them are going to be evaluated.
        precision: of the forward passes.
        batch_size: taken as it is; None tries a few when the work is long.
        compiled: ``auto`` tries it when the work is long, ``on`` and ``off`` are taken as they are.
        codes: whether latent codes are wanted, too.
    """
    rows = sample(count, _FIRST)
    plain = build(rows=rows, precision=precision, batch_size=batch_size)
    each = min(_timed(plain, codes) for _ in range(2)) / len(rows)
    reasons = [note for note in plain.notes if "memory" in note]
    layout = True
    if each * count * passes > _WORTH_TIMING:
        # Two batches at least: a part of one says nothing of an accelerator, where a batch is thousands of images.
        rows = sample(count, int(max(min(_PASS / each, IMAGES), 2 * plain.batch_size)))
        size = plain.batch_size if reasons else batch_size
        del plain  # each holds a network
        plain = build(rows=rows, precision=precision, batch_size=size)
        each = min(_timed(plain, codes) for _ in range(2)) / len(rows)
        reasons += [note for note in plain.notes if "memory" in note]
        other = build(rows=rows, precision=precision, batch_size=plain.batch_size, channels_last=False)
        _timed(other, codes)
        gain = float(np.median([_timed(plain, codes) / _timed(other, codes) for _ in range(3)]))
        if gain > 1.1:  # less may be a neighbour's doing
            layout, plain, each = False, other, each / gain
        del other
        reasons.append(f"{'channels-last' if layout else 'channels-first'} (channels-first {gain:.2f} times as fast)")
    given = plain.batch_size
    if batch_size is None and given <= len(rows) and each * count * passes > _WORTH_TIMING:
        # Down to a quarter: the activations may then stay in the second cache.
        sizes = [size for size in (given // 4, given // 2, given, 2 * given) if 0 < size <= len(rows)]
        times = _rounds(plain, sizes, codes)
        best = int(np.argmin(times))
        # A neighbour's load looks like a difference: the given size stays unless another one is clearly better.
        if times[best] > 0.95 * times[sizes.index(given)]:
            best = sizes.index(given)
        plain.batch_size, each = sizes[best], times[best] / len(rows)
        tried = ", ".join(f"{size}: {len(rows) / t:,.0f}" for size, t in zip(sizes, times, strict=True))
        reasons.append(f"batch size {plain.batch_size} (images/s at {tried})")
    use = compiled == "on"
    work = each * count * passes
    if compiled == "auto" and work * (1 - 1 / _COMPILED_GAIN) > 2 * _COMPILATION and plain.can_compile:
        other = build(rows=rows, precision=precision, batch_size=plain.batch_size, compiled=True, channels_last=layout)
        began = time.perf_counter()
        other.at(codes=codes)
        cold = time.perf_counter() - began
        pairs = [(_timed(plain, codes), _timed(other, codes)) for _ in range(3)]
        gain = float(np.median([a / b for a, b in pairs]))
        use = other.compiled and work * (1 - 1 / gain) > cold
        verdict = "compiled" if use else "not compiled"
        reasons.append(f"{verdict} (compiled {gain:.2f} times as fast, {cold:.0f} s to compile)")
        if use:
            each /= gain
    return Choice(precision, plain.batch_size, use, each * count, tuple(reasons), layout)


def precision_cost(
    build: Build,
    precision: Precision,
    points: Sequence[tuple[Mapping[str, Tensor], Mapping[str, Tensor]]],
    *,
    count: int,
) -> tuple[float, float]:
    """What a precision costs against float32: the largest difference of mean loss and of accuracy over `points`.

    Args:
        build: makes an evaluator.
        precision: to be judged.
        points: weights and buffers.
        count: images there are; a sample of them is evaluated.
    """
    rows = sample(count)
    exact, rough = build(rows=rows, precision="fp32"), build(rows=rows, precision=precision)
    loss, correct = [], []
    for point in points:
        a, b = exact.at(*point), rough.at(*point)
        loss.append(abs(a.loss.mean() - b.loss.mean()))
        correct.append(abs(a.correct.mean() - b.correct.mean()))
    return float(max(loss)), float(max(correct))


def _rounds(evaluator: Evaluator, sizes: list[int], codes: bool) -> list[float]:
    """Interleaved, the fastest of three after one that warms up."""
    times: dict[int, list[float]] = {size: [] for size in sizes}
    for _ in range(4):
        for size in sizes:
            evaluator.batch_size = size
            times[size].append(_timed(evaluator, codes))
    return [min(each[1:]) for each in times.values()]


def _timed(evaluator: Evaluator, codes: bool = False) -> float:
    began = time.perf_counter()
    evaluator.at(codes=codes)
    return time.perf_counter() - began
