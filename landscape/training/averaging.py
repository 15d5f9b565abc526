"""Stochastic weight averaging as a simple moving average (SWA; algorithms: EoA's SMA)."""

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from landscape.data import Task
from landscape.evaluation.statistics import Statistics, running_norms
from landscape.models import Network


class WeightAverage:
    """The equal-weight average of the iterates t0 - 1, t0, ..., t.

    ``AveragedModel``'s first update replaces its initial copy, so :meth:`update` is to be called after
    every step from t0 - 1 on. Parameters and float buffers are averaged, in float32.

    Args:
        network: the network whose iterates are averaged.
        start: t0, the first step whose result is averaged with the one before.
    """

    def __init__(self, network: Network, *, start: int) -> None:
        self.start = start
        self.averaged = AveragedModel(network, multi_avg_fn=_running_mean, use_buffers=True)
        self.averaged.requires_grad_(False)

    @property
    def network(self) -> Network:
        """The averaged network."""
        return cast(Network, self.averaged.module)

    @property
    def count(self) -> int:
        """Iterates in the average so far."""
        return int(self.averaged.n_averaged)

    def update(self, network: nn.Module, step: int) -> None:
        """Take the iterate after `step` into the average, if it is late enough."""
        if step >= self.start - 1:
            self.averaged.update_parameters(network)

    def recompute_batch_norm(self, task: Task) -> None:
        """Give the average running statistics of its own, over the sources' training images."""
        network = self.network
        if not running_norms(network):
            return
        # Made anew each time: between two records its images would take memory that training needs.
        statistics = Statistics(
            network,
            task.images.pixels,
            task.source_rows("in"),
            mean=network.mean,
            std=network.std,
            device=next(network.parameters()).device,
        )
        own = dict(network.named_buffers())
        for name, value in statistics.at(dict(network.named_parameters())).items():
            own[name].copy_(value)

    def tensors(self) -> dict[str, Tensor]:
        """State to resume from; empty before the first update."""
        return dict(self.averaged.state_dict()) if self.count else {}

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over a saved state."""
        if tensors:
            self.averaged.load_state_dict(tensors)


@torch.no_grad()
def _running_mean(
    averages: tuple[Tensor, ...] | list[Tensor], current: tuple[Tensor, ...] | list[Tensor], count: Tensor | int
) -> None:
    """``avg += (theta - avg) / (count + 1)`` for all tensors of one kind at once; integers are copied."""
    if not averages[0].is_floating_point():
        torch._foreach_copy_(averages, current)
        return
    torch._foreach_lerp_(averages, current, 1.0 / (int(count) + 1))
