"""What measuring needs: buffers of a plan's points, and the meter that reads them."""

import itertools
from collections.abc import Mapping

import numpy as np
from torch import Tensor

from landscape.checkpoint import Checkpoint
from landscape.errors import InputError
from landscape.evaluation import Evaluator
from landscape.evaluation.features import FrozenFeatures
from landscape.evaluation.statistics import Statistics
from landscape.evaluation.timing import Build
from landscape.surface.meter import Meter, MixupLoss, Row, Source
from landscape.surface.plan import Buffers, Plan
from landscape.surface.sampling import Sample


class Recomputed:
    """Buffers of a point, recomputed there from the sources' training images."""

    def __init__(self, plan: Plan, evaluator: Evaluator, device: str) -> None:
        task, self._plane = plan.setting.task, plan.plane
        self._statistics = Statistics(
            plan.setting.network,
            task.images.pixels,
            task.source_rows("in"),
            mean=evaluator.mean,
            std=evaluator.std,
            device=device,
        )

    def of(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """At any weights."""
        return self._statistics.at(weights)

    def at(self, x: float, y: float) -> dict[str, Tensor]:
        """At a point of the plane."""
        return self.of(self._plane.at(x, y))


def buffers_of(plan: Plan, build: Build, device: str) -> "Buffers | Recomputed":
    """Buffers of every point of the plane, by the plan's policy.

    Raises:
        InputError: batch norm is to be recomputed, and there is none.
    """
    if plan.recipe.batch_norm == "recomputed":
        return Recomputed(plan, build(rows=np.arange(1)), device)
    network = plan.setting.network
    return Buffers(plan.plane, tuple(checkpoint.buffers(network) for checkpoint in plan.setting.checkpoints))


def own_buffers(plan: Plan, buffers: "Buffers | Recomputed", checkpoint: Checkpoint) -> Mapping[str, Tensor]:
    """Buffers of a checkpoint itself."""
    network = plan.setting.network
    if isinstance(buffers, Recomputed):
        return buffers.of(checkpoint.weights(network))
    return checkpoint.buffers(network)


def meter_of(
    plan: Plan,
    evaluator: Evaluator,
    buffers: "Buffers | Recomputed",
    sample: Sample | None,
    notes: list[str],
    *,
    keep_features: bool,
) -> tuple[Meter, Row | None]:
    """The meter and, if it has mixup codes, the values at the checkpoint whose policy weighed them."""
    setting, task, source = plan.setting, plan.setting.task, _source(plan, evaluator, buffers, keep=keep_features)
    policy = setting.policy
    if policy is None or policy.config is None:
        return Meter(task, source, sample=sample), None
    try:
        evaluator.classifier  # noqa: B018 (asks whether there are latent codes at all)
        predictions = evaluator.at(policy.weights(setting.network), own_buffers(plan, buffers, policy), codes=True)
        mixup = MixupLoss(task, plan.recipe.mixture, policy, predictions, evaluator.classifier)
    except InputError as error:
        notes.append(f"the FGMix train loss is left out: {error}")
        return Meter(task, source, sample=sample), None
    if policy.config.mixup.domains_per_mixup not in (0, len(task.sources)):
        notes.append(
            f"training mixed {policy.config.mixup.domains_per_mixup} sources at a time; the surface's groups have one "
            f"image of each of the {len(task.sources)}"
        )
    meter = Meter(task, source, mixup, sample=sample)
    return meter, meter.row(predictions)


def _source(plan: Plan, evaluator: Evaluator, buffers: "Buffers | Recomputed", *, keep: bool) -> Source:
    if not keep:
        return evaluator
    plane, grid = plan.plane, plan.grid
    source = FrozenFeatures(evaluator, plane.origin, (plane.e1, plane.e2), buffers.at(0.0, 0.0))
    source.expect([(float(x), float(y)) for y, x in itertools.product(grid.y, grid.x)])
    return source
