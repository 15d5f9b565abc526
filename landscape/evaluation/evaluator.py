"""The only place that runs a network over data."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from landscape.data import normalise
from landscape.errors import InputError, unknown_choice
from landscape.evaluation.folding import Folded
from landscape.evaluation.predictions import Predictions
from landscape.evaluation.residency import ResidentPixels
from landscape.hardware import autocast, exact_float32, resolve_device, to_channels_last
from landscape.models.network import IMAGENET_MEAN, IMAGENET_STD, colour

Precision = Literal["fp32", "bf16", "fp64"]


class Evaluator:
    """Evaluates a network at any point of its weight space, on a fixed set of images in a fixed order.

    It works on its own copy of the network: the caller's keeps its weights, buffers, mode and device. Each
    evaluation is in evaluation mode, without gradients; the cross entropy of each image is computed in float64
    from the logits. Batch norm with running statistics is folded into the convolutions (exact, see
    :mod:`landscape.evaluation.folding`).

    Args:
        network: any module from normalised images (B, 3, S, S) to logits (B, K).
        pixels: (N, S, S, 3) uint8; a memory map will do.
        labels: (N,) class indices.
        rows: images to evaluate, by index; None means all.
        mean: input normalisation per colour in units of pixel / 255; None means the network's attribute `mean`,
            else ImageNet's.
        std: likewise.
        device: where to compute.
        precision: ``fp32`` (on CUDA without TF32), ``bf16`` (autocast), or ``fp64`` for checks.
        batch_size: images a forward pass; None means 64 on a CPU (fewer when larger than 64 px), more elsewhere.
        fold: fold batch norm.
        channels_last: keep images and weights channels-last in memory, which convolutions are faster in.

    Attributes:
        notes: sentences on what was not done as asked.

    Raises:
        InputError: no images, labels that do not belong to the images, or an unknown device or precision.
    """

    def __init__(
        self,
        network: nn.Module,
        pixels: np.ndarray,
        labels: np.ndarray,
        *,
        rows: np.ndarray | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        device: str | torch.device = "cpu",
        precision: Precision = "fp32",
        batch_size: int | None = None,
        fold: bool = True,
        channels_last: bool = True,
    ) -> None:
        if precision not in ("fp32", "bf16", "fp64"):
            raise unknown_choice("precision", precision, ("fp32", "bf16", "fp64"))
        self.device = resolve_device(device)
        self.precision = precision
        self.rows = np.arange(len(pixels)) if rows is None else np.asarray(rows, dtype=np.int64)
        self.batch_size = batch_size or _batch_size(self.device, pixels.shape[1])
        network = _plain(network)
        self.mean = colour(getattr(network, "mean", IMAGENET_MEAN) if mean is None else mean, "mean")
        self.std = colour(getattr(network, "std", IMAGENET_STD) if std is None else std, "std")
        self.labels = self._own_labels(pixels, labels)
        self._channels_last = channels_last
        self._pixels = ResidentPixels(pixels, self.rows, self.device)
        self.notes: list[str] = []
        self._folded = self._prepare(network, fold)

    def at(
        self,
        weights: Mapping[str, Tensor] | None = None,
        buffers: Mapping[str, Tensor] | None = None,
        *,
        codes: bool = False,
    ) -> Predictions:
        """Loss and correctness of every image at a point of weight space.

        Args:
            weights: all parameters by name, float64 or float32; None means the network's as it was given.
            buffers: buffers by name, such as running statistics of batch norm; those left out are as given.
            codes: return the latent codes too, that is what the classifier gets as its input.

        Raises:
            InputError: the weights do not fit, there are fewer logits than classes, or there are no latent codes.
        """
        # A caller's own autocast keeps casts of weights, which are about to change in place.
        torch.clear_autocast_cache()
        self._folded.load(weights, buffers)
        n = len(self.rows)
        exact = torch.float32 if self.device.type == "mps" else torch.float64
        loss = torch.empty(n, dtype=exact, device=self.device)
        correct = torch.empty(n, dtype=torch.bool, device=self.device)
        found = _Codes(self._folded.network, n) if codes else None
        try:
            with torch.inference_mode(), exact_float32(self.device), autocast(self.device, self.precision):
                for start in range(0, n, self.batch_size):
                    stop = min(start + self.batch_size, n)
                    logits = self._logits(start, stop)
                    labels = self.labels[start:stop]
                    loss[start:stop] = F.cross_entropy(logits.to(exact), labels, reduction="none")
                    correct[start:stop] = logits.argmax(1) == labels
                    if found is not None:
                        found.store(start, stop)
        finally:
            if found is not None:
                found.remove()
        # Logits that are no numbers are never right, whichever of them argmax takes for the largest.
        correct &= ~loss.isnan()
        return Predictions(
            rows=self.rows,
            loss=loss.cpu().double().numpy(),
            correct=correct.cpu().numpy(),
            codes=found.codes if found is not None else None,
        )

    @property
    def network(self) -> nn.Module:
        """The evaluator's own network at the last weights, folded; for reading only."""
        return self._folded.network

    @property
    def classifier(self) -> nn.Module:
        """The classifier at the last weights, for losses on codes that are no image's, such as mixup codes.

        Raises:
            InputError: the network has no classifier of its own.
        """
        return _classifier(self._folded.network)

    @property
    def folded(self) -> int:
        """Number of batch-norm layers that are folded into convolutions."""
        return len(self._folded.pairs)

    def _prepare(self, network: nn.Module, fold: bool) -> Folded:
        own = copy.deepcopy(network)
        own = to_channels_last(own, self.device) if self._channels_last else own.to(self.device)
        own.to(torch.float64 if self.precision == "fp64" else torch.float32)
        # Autocast casts a weight once per evaluation, and not once per batch, only if it could get a gradient.
        own.requires_grad_(self.precision == "bf16").eval()
        norms = [module for module in own.modules() if isinstance(module, _BatchNorm)]
        if any(norm.running_mean is None for norm in norms):
            self.notes.append(
                "some batch norm keeps no running statistics: it normalises by the batch, so that results depend on "
                f"the batch size ({self.batch_size})"
            )
        if not fold or not norms:
            return Folded(own)
        few = np.unique(np.linspace(0, len(self.rows) - 1, 3).astype(int))
        images = torch.cat([normalise(self._pixels.batch(i, i + 1), self.mean, self.std) for i in few])
        folded, note = Folded.of(own, images)
        if note:
            self.notes.append(note)
        return folded

    def _logits(self, start: int, stop: int) -> Tensor:
        images = normalise(self._pixels.batch(start, stop), self.mean, self.std)
        if not self._channels_last:
            images = images.contiguous()
        if self.precision == "fp64":
            images = images.double()
        logits = self._folded.network(images)
        if not isinstance(logits, Tensor) or logits.dim() != 2 or len(logits) != stop - start:
            got = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise InputError(f"the network returned {got} for {stop - start} images; expected one row of logits each.")
        if logits.shape[1] <= self._largest_label:
            raise InputError(
                f"the network has {logits.shape[1]} logits, but there are labels up to {self._largest_label}; "
                "give a network with one logit per class."
            )
        return logits

    def _own_labels(self, pixels: np.ndarray, labels: np.ndarray) -> Tensor:
        if len(self.rows) == 0:
            raise InputError("there are no images to evaluate; choose other rows.")
        if pixels.ndim != 4 or pixels.shape[3] != 3 or pixels.dtype != np.uint8:
            raise InputError(f"pixels are {pixels.dtype} {pixels.shape}; expected uint8 of shape (N, S, S, 3).")
        if len(labels) != len(pixels):
            raise InputError(f"there are {len(labels)} labels for {len(pixels)} images; expected one each.")
        chosen = np.asarray(labels)[self.rows].astype(np.int64)
        if chosen.min() < 0:
            raise InputError(f"a label is {chosen.min()}; expected class indices from 0.")
        self._largest_label = int(chosen.max())
        return torch.from_numpy(chosen).to(self.device)


class _Codes:
    """Takes down what the classifier gets as its input during a forward pass."""

    def __init__(self, network: nn.Module, n: int) -> None:
        self._n = n
        self._last: Tensor | None = None
        self.codes: Tensor | None = None
        self._handle = _classifier(network).register_forward_pre_hook(self._see)

    def _see(self, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        self._last = inputs[0]

    def store(self, start: int, stop: int) -> None:
        """Keep the codes of one batch."""
        last = self._last
        if last is None or last.dim() != 2 or len(last) != stop - start:
            raise InputError("the network's classifier does not get one latent code (B, D) per image as its input.")
        if self.codes is None:
            # Made outside inference mode, so that autograd accepts them later.
            with torch.inference_mode(False):
                self.codes = torch.empty((self._n, last.shape[1]), device=last.device)
        self.codes[start:stop] = last

    def remove(self) -> None:
        """Take the hook off the classifier."""
        self._handle.remove()


def _classifier(network: nn.Module) -> nn.Module:
    classifier = getattr(network, "classifier", None)
    if not isinstance(classifier, nn.Module) or not isinstance(getattr(network, "featurizer", None), nn.Module):
        raise InputError(
            f"latent codes were asked for, but {type(network).__name__} has no .featurizer and .classifier; give the "
            "network these two attributes."
        )
    return classifier


def _plain(network: nn.Module) -> nn.Module:
    """The module inside the wrappers of torch.compile and of data-parallel training."""
    while True:
        if isinstance(inner := getattr(network, "_orig_mod", None), nn.Module):
            network = inner
        elif isinstance(network, nn.DataParallel | nn.parallel.DistributedDataParallel):
            network = network.module
        else:
            return network


def _batch_size(device: torch.device, side: int) -> int:
    """As many images as keep the activations in a CPU's cache, or an accelerator busy."""
    if device.type == "cpu":
        # Measured with EfficientNet-Lite0 and ResNets: best at 64 images of 64 px, at 16 from 128 px on.
        return int(np.clip(64 * (64 / side) ** 2, 16, 64))
    return int(np.clip(256 * (224 / side) ** 2, 64, 2048))
