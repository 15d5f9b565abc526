"""Running statistics of batch norm, recomputed at a point of weight space."""

import copy
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from landscape.errors import InputError
from landscape.evaluation.residency import ResidentImages
from landscape.hardware import exact_float32, resolve_device, to_channels_last
from landscape.weights import load_weights


def running_norms(network: nn.Module) -> dict[str, _BatchNorm]:
    """The layers of batch norm that keep running statistics, by name."""
    return {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, _BatchNorm) and module.running_mean is not None
    }


class Statistics:
    """Means and variances that batch norm would have at given weights, over fixed images.

    At weights between two trained networks the statistics of either do not fit the activations; recomputing them
    is the practice of the mode-connectivity work (Garipov et al. 2018, section 4; Izmailov et al. 2018). Each batch
    counts by its number of images; the variance is the mean of the batches' unbiased ones, as in training.

    Args:
        network: with batch norm; a copy of it is used, unfolded.
        pixels: (N, S, S, 3) uint8.
        rows: images to take them from: training images of the source domains only.
        mean: input normalisation per colour.
        std: likewise.
        device: where to compute.
        batch_size: images a forward pass: batch norm's layers see those of the batch behind them.

    Raises:
        InputError: the network has no batch norm with running statistics, or there are no images.
    """

    def __init__(
        self,
        network: nn.Module,
        pixels: np.ndarray,
        rows: np.ndarray,
        *,
        mean: Sequence[float],
        std: Sequence[float],
        device: str | torch.device = "cpu",
        batch_size: int = 128,
    ) -> None:
        self.device = resolve_device(device)
        self._network = to_channels_last(copy.deepcopy(network), self.device).float().eval().requires_grad_(False)
        self._norms = running_norms(self._network)
        if not self._norms:
            raise InputError("the network has no batch norm with running statistics to recompute; leave it frozen.")
        if len(rows) < 2:
            raise InputError(f"got {len(rows)} training images to recompute batch norm from; expected at least 2.")
        # In a fixed random order: images are stored by domain and class, and a batch should hold some of each.
        mixed = np.random.default_rng(0).permutation(rows)
        self._images = ResidentImages(pixels, mixed, self.device, mean, std)
        self._batches = max(1, round(len(rows) / batch_size))

    def at(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The buffers ``running_mean`` and ``running_var`` of every batch norm, by name."""
        load_weights(self._network, weights)
        for norm in self._norms.values():
            norm.reset_running_stats()
            nn.Module.train(norm)  # a network may keep frozen layers from training mode
        edges = np.linspace(0, len(self._images), self._batches + 1).round().astype(int)
        seen = 0
        try:
            with torch.no_grad(), exact_float32(self.device):
                for start, stop in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
                    seen += stop - start
                    for norm in self._norms.values():
                        norm.momentum = (stop - start) / seen
                    self._network(self._images.batch(start, stop))
        finally:
            self._network.eval()
        return {
            f"{name}.{kind}": getattr(norm, kind).clone()
            for name, norm in self._norms.items()
            for kind in ("running_mean", "running_var")
        }
