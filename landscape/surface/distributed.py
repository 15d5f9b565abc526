"""Points of a plane evaluated by Ray: blocks of them as tasks, on every core of one machine or of a cluster.

Everything that the points share is placed once in each node's memory: the images' bytes and the plane's vectors, which
workers read in place, the network and the mixup's weights. A block whose worker or node dies is evaluated again
elsewhere. A worker computes on one thread (or one GPU) with the batch size and the layout that the driver chose:
its values are, bit for bit, those of one process with one thread on the same kind of processor.
"""

import logging
import os
import time
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from landscape.compute import Workers
from landscape.errors import InputError
from landscape.evaluation.timing import Choice
from landscape.files import Files
from landscape.surface.meter import Meter, MixupLoss, Row
from landscape.surface.plan import Buffers, Plan
from landscape.surface.preparation import buffers_of
from landscape.surface.sampling import Sample
from landscape.weights import Weights

Point = tuple[str, float, float]
"""Name in the journal and coordinates."""
Evaluate = Callable[[Sequence[Point]], Generator[tuple[str, Row, list[str]]]]
"""From points to name, values and the evaluator's notes, in the order in which they are done."""

BLOCK_SECONDS = 1.0
"""What a block takes, about: much more than a task costs, little to lose."""
_RETRIES = 5
_REMEDIES = {
    "GPU": "give --device cpu, or start nodes with GPUs",
    "CPU": "start a node with processors, or leave --workers out",
}
# The bench of a worker's process, by the name of its parcel: made at its first block, used for all that follow.
_BENCHES: dict[str, "Bench"] = {}


@dataclass(frozen=True)
class Parcel:
    """What a worker needs to evaluate any point.

    Attributes:
        plan: without checkpoints, paths and the plane's vectors.
        vectors: origin, ``e1`` and ``e2`` as arrays, which Ray shares between the workers of a node.
        buffers: of each anchor, by name.
        rows: (n,) images to evaluate.
        device: where to.
        choice: how to.
        mixup: FGMix's loss with its frozen weights or codes.
        sample: the strata behind the images.
    """

    plan: Plan
    vectors: tuple[dict[str, np.ndarray], ...]
    buffers: tuple[dict[str, Tensor], ...]
    rows: np.ndarray
    device: str
    choice: Choice
    mixup: MixupLoss | None
    sample: Sample | None

    @classmethod
    def of(
        cls,
        plan: Plan,
        rows: np.ndarray,
        *,
        device: str,
        choice: Choice,
        mixup: MixupLoss | None = None,
        sample: Sample | None = None,
    ) -> "Parcel":
        """Pack a plan."""
        plane, setting, network = plan.plane, plan.setting, plan.setting.network
        bare = replace(
            plan,
            setting=replace(setting, checkpoints=(), names=(), paths=(), policy=None, files=Files()),
            plane=replace(plane, origin={}, e1={}, e2={}),
            trajectories=(),
            ends=(),
        )
        return cls(
            plan=bare,
            vectors=tuple(_arrays(vector) for vector in (plane.origin, plane.e1, plane.e2)),
            buffers=tuple(checkpoint.buffers(network) for checkpoint in setting.checkpoints),
            rows=rows,
            device=device,
            choice=choice,
            mixup=mixup,
            sample=sample,
        )


class Bench:
    """A parcel unpacked: an evaluator with its span, and the meter that reads it."""

    def __init__(self, parcel: Parcel) -> None:
        origin, e1, e2 = (_tensors(vector) for vector in parcel.vectors)
        plan = replace(parcel.plan, plane=replace(parcel.plan.plane, origin=origin, e1=e1, e2=e2))
        build = plan.setting.builder(parcel.device, parcel.rows)
        self._evaluator = parcel.choice.build(build)
        recomputed = plan.recipe.batch_norm == "recomputed"
        self._buffers = buffers_of(plan, build, parcel.device) if recomputed else Buffers(plan.plane, parcel.buffers)
        self._meter = Meter(plan.setting.task, self._evaluator, parcel.mixup, sample=parcel.sample)
        self._span = self._evaluator.span(origin, e1, e2)

    def block(self, points: Sequence[Point]) -> tuple[list[Row], list[str]]:
        """Values of some points, and what the evaluator notes, such as on memory."""
        rows = [self._meter.at(self._span.point(x, y), self._buffers.at(x, y)) for _, x, y in points]
        return rows, list(self._evaluator.notes)


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread, as the workers do, so that values do not depend on who computes them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def check(workers: Workers) -> None:
    """Whether there is what `workers` asks for.

    Raises:
        InputError: Ray is asked for and not installed.
    """
    if workers == "ray":
        _library()


@contextmanager
def connected(parcel: Parcel) -> Iterator[Evaluate]:
    """Ray's workers with a parcel in their reach: those of ``RAY_ADDRESS``, else one on each core of this machine.

    A Ray that the caller has started already is used and stays, its workers with the parcel in their memory until the
    next one; one that is started here is stopped.

    Raises:
        InputError: Ray is not installed or cannot be reached, the cluster has no GPU or CPU that is needed, or a block
            is lost again and again.
    """
    ray = _library()
    ours = not ray.is_initialized()
    if ours:
        start(ray)
    try:
        gpus = int(parcel.device.startswith("cuda"))
        block = ray.remote(_block).options(
            num_cpus=1, num_gpus=gpus, max_retries=_RETRIES, scheduling_strategy="SPREAD"
        )
        reference = ray.put(parcel)

        # In a list, as Ray would unpack a bare reference at every task.
        def submit(points: Sequence[Point]) -> Any:
            return block.remote([reference], reference.hex(), list(points))

        yield lambda points: _evaluate(ray, submit, points, "GPU" if gpus else "CPU")
    finally:
        if ours:
            ray.shutdown()


def _evaluate(
    ray: Any, submit: Callable[[Sequence[Point]], Any], points: Sequence[Point], resource: str
) -> Generator[tuple[str, Row, list[str]]]:
    waiting, size = deque(points), 1
    running: dict[Any, list[Point]] = {}
    try:
        while waiting or running:
            workers = int(ray.cluster_resources().get(resource, 0))
            if not workers:  # Ray itself would wait for one without end
                raise InputError(f"the cluster has no {resource}; {_REMEDIES[resource]}.")
            # One block is computed by each worker and one waits for it. Those at the end are small again.
            while waiting and len(running) < 2 * workers:
                count = max(1, min(size, len(waiting) // (2 * workers)))
                block = [waiting.popleft() for _ in range(count)]
                running[submit(block)] = block
            (ready, *_), _ = ray.wait(list(running), num_returns=1)
            rows, notes, seconds = _result(ray, ready)
            block = running.pop(ready)
            size = max(1, round(BLOCK_SECONDS * len(block) / max(seconds, 1e-9)))
            for (key, _, _), row in zip(block, rows, strict=True):
                yield key, row, notes
    finally:
        for left in running:
            ray.cancel(left)


def _result(ray: Any, reference: Any) -> Any:
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        # The worker's own exception, as one process would have raised it.
        raise error.cause from error
    except ray.exceptions.RayError as error:
        raise InputError(
            f"Ray lost a block of points ({_words(error)}); a worker that dies is replaced {_RETRIES} times, and most "
            "die of too little memory. Measure without --workers ray: what is done is kept."
        ) from error


def _block(
    reference: list[Any], name: str, points: Sequence[Point]
) -> tuple[list[Row], list[str], float]:  # pragma: no cover (in another process)
    """A task: the values of a block of points, notes, and the seconds it took."""
    torch.set_num_threads(1)
    if name not in _BENCHES:
        _BENCHES.clear()
        _BENCHES[name] = Bench(_library().get(reference[0]))
    began = time.perf_counter()
    rows, notes = _BENCHES[name].block(points)
    return rows, notes, time.perf_counter() - began


def _library() -> Any:
    try:
        # Ray reports its use over the network unless it is told not to.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        import ray
    except ImportError as error:
        raise InputError(
            "--workers ray needs Ray, which is not installed; pip install 'dg-landscape[distributed]', or leave "
            "--workers out: one machine needs no Ray."
        ) from error
    return ray


def start(ray: Any) -> None:
    """Connect to the cluster at ``RAY_ADDRESS``; without it, start Ray with one worker on each core of this machine.

    Raises:
        InputError: that fails.
    """
    address = os.environ.get("RAY_ADDRESS")
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if not address:
        options |= {"num_cpus": os.cpu_count(), "include_dashboard": False}
    try:
        ray.init(address=address or "local", **options)
    except (ConnectionError, RuntimeError, ValueError) as error:
        where = f"at RAY_ADDRESS {address}" if address else "on this machine"
        raise InputError(
            f"there is no Ray {where} that can be used ({_words(error)}); start it, or leave --workers out."
        ) from error


def _words(error: Exception) -> str:
    """An exception's class and first line."""
    return ": ".join([type(error).__name__, *str(error).strip().splitlines()[:1]])


def _arrays(vector: Weights) -> dict[str, np.ndarray]:
    return {name: tensor.detach().cpu().numpy() for name, tensor in vector.items()}


def _tensors(vector: dict[str, np.ndarray]) -> dict[str, Tensor]:
    # torch warns of arrays that cannot be written to; nobody writes to these.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return {name: torch.from_numpy(array) for name, array in vector.items()}
