"""Gradients of the source domains at the points of a plane, and how far they agree."""

import copy
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm.auto import tqdm

from landscape.data.strata import stratified
from landscape.errors import InputError
from landscape.evaluation.batches import batches_of
from landscape.hardware import exact_float32, resolve_device
from landscape.log import Log
from landscape.storage import digest
from landscape.stored import find_or_make, stem_of
from landscape.surface.conflict import FORMAT, ConflictMap
from landscape.surface.plan import Buffers, Plan
from landscape.surface.recipe import Where
from landscape.weights import Weights, combine, dot, load_weights, norm

if TYPE_CHECKING:
    from landscape.data import Task
    from landscape.surface.setting import Setting

FEW = Where(points=5)
"""Gradients cost several forward passes a point."""


def conflict_map(
    setting: "Setting",
    *,
    out: Path | str = "figures",
    where: Where = FEW,
    images: int | None = 96,
    seed: int = 0,
    device: str = "auto",
    progress: bool = True,
) -> ConflictMap:
    """Measure the cosines between the source domains' gradients over a plane, or find them measured.

    The result is found by the hash of its inputs. While it is being measured, a journal beside it keeps every point; an
    interrupted call with the same inputs continues.

    Args:
        setting: three checkpoints with their network and data; the plane goes through them.
        out: folder of the result.
        where: points along each axis, and the room around paths and anchors.
        images: training images, stratified by domain and class; None: all.
        seed: of that choice.
        device: where to compute.
        progress: show a bar with the time left.

    Raises:
        InputError: fewer than two source domains, or checkpoints that span no plane.
    """
    if len(setting.task.sources) < 2:
        raise InputError(f"got {len(setting.task.sources)} source domain; gradients agree or conflict between two.")
    rows = setting.task.source_rows("in")
    if images is not None and images < len(rows):
        rows = stratified(setting.task, rows, images, seed=seed)
    ranges = [repr(each) for each in (where.x_range, where.y_range) if each is not None]
    key = digest("conflict", str(FORMAT), setting.digest(), repr(where.on_plane()), rows.tobytes(), *ranges)
    stem = stem_of("conflict", setting, key, out=out)

    def make(journal: Path) -> ConflictMap:
        plan = Plan.of(setting, where, progress=progress)
        return measure_conflict(plan, rows, device=device, journal=journal, progress=progress)

    return find_or_make(stem, key, ConflictMap.load, make)[0]


def measure_conflict(
    plan: Plan, rows: np.ndarray, *, device: str = "auto", journal: Path | str | None = None, progress: bool = True
) -> ConflictMap:
    """Evaluate the gradients at every grid point of a plan; buffers are those of its checkpoints, interpolated.

    Args:
        plan: plane and grid.
        rows: (n,) training images of the source domains.
        device: where to compute.
        journal: a file that keeps what has been measured.
        progress: show a bar with the time left.
    """
    setting, grid = plan.setting, plan.grid
    task, sources = setting.task, setting.task.sources
    inputs = digest("conflict", plan.digest(), rows.tobytes())
    log = Log(journal, inputs)
    buffers = Buffers(plan.plane, tuple(each.buffers(setting.network) for each in setting.checkpoints))
    gradients = DomainGradients(setting.network, task, rows, device=device)
    cells = grid.cells()
    done = log.done(f"grid:{i}:{j}" for i, j in cells)
    with tqdm(total=len(cells), initial=done, desc="conflict", unit="point", disable=not progress) as bar:
        for i, j in cells:
            if f"grid:{i}:{j}" not in log.rows:
                x, y = float(grid.x[j]), float(grid.y[i])
                log.add(f"grid:{i}:{j}", **gradients.agreement(plan.plane.at(x, y), buffers.at(x, y)))
                bar.update()

    def array(name: str) -> np.ndarray:
        # null in the journal stands for what is no number.
        found = np.array([log.rows[f"grid:{i}:{j}"][name] for i, j in cells], dtype=np.float64)
        return found.T.reshape(-1, len(grid.y), len(grid.x))

    about = setting.about(
        n={"train": len(task.source_rows("in")), "used": len(rows), **gradients.counts},
        notes=setting.notes,
        inputs={each.label: each.label for each in setting.checkpoints} | {"all": inputs},
    )
    pairs = tuple(combinations(sources, 2))
    return ConflictMap(grid.x, grid.y, sources, pairs, array("cosine"), array("norm"), array("within"), about)


class DomainGradients:
    """Gradients of each source domain's mean cross entropy in all parameters, in evaluation mode.

    Passes are float32; sums over batches, dot products and norms are float64.

    Args:
        network: the architecture; a copy of it is used.
        task: images and source domains.
        rows: (n,) images to take.
        device: where to compute.

    Raises:
        InputError: a source domain has none of the images.
    """

    def __init__(self, network: nn.Module, task: "Task", rows: np.ndarray, *, device: str = "auto") -> None:
        self.device = resolve_device(device)
        # A copy: the opened network may be the user's own.
        self.network = copy.deepcopy(network).to(self.device).eval().requires_grad_(True)
        images = task.images
        self.halves: dict[str, list[list[tuple[Tensor, Tensor]]]] = {}
        self.counts: dict[str, int] = {}
        for name in task.sources:
            own = rows[images.domain[rows] == images.domain_index(name)]
            if not len(own):
                raise InputError(f"none of the {len(rows)} images is of the domain {name}; take more images.")
            # Every other image of each class, so that the halves have the same classes.
            own = own[np.argsort(images.labels[own], kind="stable")]
            parts = [part for part in (own[::2], own[1::2]) if len(part)]
            self.halves[name] = [batches_of(task, part, self.network, self.device) for part in parts]
            self.counts[name] = len(own)

    def agreement(self, weights: Weights, buffers: Mapping[str, Tensor]) -> dict[str, list[float]]:
        """Cosines of all pairs of domains, norms, and cosines within the domains, at a point of weight space."""
        self._load(weights, buffers)
        whole, within = [], []
        for halves in self.halves.values():
            counts = [sum(len(labels) for _, labels in batches) for batches in halves]
            sums = [self._sum(batches) for batches in halves]
            within.append(cosine(*sums) if len(sums) == 2 else float("nan"))
            whole.append(combine(*((1 / sum(counts), each) for each in sums)))
        return {
            "cosine": [cosine(first, second) for first, second in combinations(whole, 2)],
            "norm": [norm(each) for each in whole],
            "within": within,
        }

    def _load(self, weights: Weights, buffers: Mapping[str, Tensor]) -> None:
        load_weights(self.network, weights)
        with torch.no_grad():
            for name, buffer in self.network.named_buffers():
                if name in buffers:
                    buffer.copy_(buffers[name])

    def _sum(self, batches: Sequence[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
        """Gradient of the sum of the losses, float64, by parameter."""
        parameters = dict(self.network.named_parameters())
        total = {name: torch.zeros(each.shape, dtype=torch.float64) for name, each in parameters.items()}
        for inputs, labels in batches:
            with exact_float32(self.device):
                loss = F.cross_entropy(self.network(inputs), labels, reduction="sum")
                found = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
            for name, gradient in zip(parameters, found, strict=True):
                if gradient is not None:
                    total[name] += gradient.detach().cpu().double()
        return total


def cosine(first: Weights, second: Weights) -> float:
    """Cosine of two vectors of weight space; NaN where one is zero or not finite."""
    lengths = norm(first) * norm(second)
    if not 0 < lengths < float("inf"):
        return float("nan")
    value: Any = dot(first, second) / lengths
    return float(np.clip(value, -1.0, 1.0))
