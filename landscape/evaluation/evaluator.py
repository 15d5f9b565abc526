"""The only place that runs a network over data."""

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import get_args

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from landscape.compute import Precision
from landscape.errors import InputError, unknown_choice
from landscape.evaluation.folding import Folded
from landscape.evaluation.forward import Forward, can_compile, classifier_of
from landscape.evaluation.predictions import Predictions
from landscape.evaluation.residency import ResidentImages
from landscape.evaluation.span import Point, Span
from landscape.hardware import autocast, exact_float32, resolve_device, to_channels_last
from landscape.models.network import IMAGENET_MEAN, IMAGENET_STD, colour


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
        precision: ``fp32`` (on CUDA without TF32), ``bf16`` (autocast), ``tf32`` (CUDA only), or ``fp64`` for checks.
        batch_size: images a forward pass; None means 64 on a CPU (fewer when larger than 64 px), more elsewhere.
        fold: fold batch norm.
        channels_last: keep images and weights channels-last in memory, which convolutions are faster in.
        compiled: run the network through ``torch.compile``; the first batch then takes 17-60 s on a CPU.
        keep_given: keep a copy of the network's own weights, so that :meth:`at` finds them again after others.

    Attributes:
        notes: sentences on what was not done as asked.
        batch_size: images a forward pass; halved when the memory is full.

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
        compiled: bool = False,
        keep_given: bool = True,
    ) -> None:
        if precision not in get_args(Precision):
            raise unknown_choice("precision", precision, get_args(Precision))
        self.device = resolve_device(device)
        if precision == "tf32" and self.device.type != "cuda":
            raise InputError(f"precision tf32 needs a CUDA device, and this is {self.device}; use fp32.")
        self.precision = precision
        self.rows = np.arange(len(pixels)) if rows is None else np.asarray(rows, dtype=np.int64)
        if batch_size is not None and batch_size < 1:
            raise InputError(f"the batch size is {batch_size}; expected at least 1.")
        self.batch_size = batch_size or _batch_size(self.device, pixels.shape[1])
        network = _plain(network)
        self.mean = colour(getattr(network, "mean", IMAGENET_MEAN) if mean is None else mean, "mean")
        self.std = colour(getattr(network, "std", IMAGENET_STD) if std is None else std, "std")
        self.labels = self._own_labels(pixels, labels)
        self._channels_last = channels_last
        self._images = ResidentImages(pixels, self.rows, self.device, self.mean, self.std)
        self.notes: list[str] = []
        self._folded = self._prepare(network, fold, keep_given)
        self._forward = Forward(self._folded.network, compiled=compiled and self._may_compile())
        self._checked: set[tuple[int, bool]] = set()

    def at(
        self,
        weights: Mapping[str, Tensor] | Point | None = None,
        buffers: Mapping[str, Tensor] | None = None,
        *,
        codes: bool = False,
    ) -> Predictions:
        """Loss and correctness of every image at a point of weight space.

        Args:
            weights: all parameters by name, float64 or float32, or a point of :meth:`span`; None means the
                network's as it was given.
            buffers: buffers by name, such as running statistics of batch norm; those left out are as given.
            codes: return the latent codes too, that is what the classifier gets as its input.

        Raises:
            InputError: the weights do not fit, there are fewer logits than classes, there are no latent codes, or the
                network's own weights are asked for and were not kept.
        """
        # A caller's own autocast keeps casts of weights, which are about to change in place.
        torch.clear_autocast_cache()
        self._folded.load(weights, buffers)
        n = len(self.rows)
        exact = torch.float32 if self.device.type == "mps" else torch.float64
        loss = torch.empty(n, dtype=exact, device=self.device)
        correct = torch.empty(n, dtype=torch.bool, device=self.device)
        kept: Tensor | None = None
        start = 0
        # Nothing in this loop waits for the device: results are fetched once, behind it.
        with torch.inference_mode(), self._arithmetic(), autocast(self.device, self.precision):
            while start < n:
                stop = min(start + self._per_batch, n)
                try:
                    logits, latent = self._forward_pass(start, stop, codes)
                    labels = self.labels[start:stop]
                    loss[start:stop] = F.cross_entropy(logits.to(exact), labels, reduction="none")
                    correct[start:stop] = logits.argmax(1) == labels
                except RuntimeError as error:
                    if not is_out_of_memory(error):
                        raise
                    self._halve_the_batch(stop - start)
                    continue
                if latent is not None:
                    if kept is None:
                        # Made outside inference mode, so that autograd accepts them later.
                        with torch.inference_mode(False):
                            kept = torch.empty((n, latent.shape[1]), device=self.device)
                    kept[start:stop] = latent
                start = stop
        # Logits that are no numbers are never right, whichever of them argmax takes for the largest.
        correct &= ~loss.isnan()
        return Predictions(rows=self.rows, loss=loss.cpu().double().numpy(), correct=correct.cpu().numpy(), codes=kept)

    def span(
        self, origin: Mapping[str, Tensor], e1: Mapping[str, Tensor], e2: Mapping[str, Tensor] | None = None
    ) -> Span:
        """Points ``origin + x e1 + y e2`` that :meth:`at` takes in place of weights, and writes faster.

        Args:
            origin: all parameters by name.
            e1: first direction, with the same names.
            e2: second direction; None for a line.

        Raises:
            InputError: one of the vectors is of another architecture.
        """
        return self._folded.span(origin, e1, e2)

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
        return classifier_of(self._folded.network)

    @property
    def folded(self) -> int:
        """Number of batch-norm layers that are folded into convolutions."""
        return len(self._folded.pairs)

    def _prepare(self, network: nn.Module, fold: bool, keep: bool) -> Folded:
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
            return Folded(own, keep=keep)
        few = np.unique(np.linspace(0, len(self.rows) - 1, 3).astype(int))
        images = torch.cat([self._images.batch(i, i + 1) for i in few])
        folded, note = Folded.of(own, images, keep=keep)
        if note:
            self.notes.append(note)
        return folded

    def _forward_pass(self, start: int, stop: int, codes: bool) -> tuple[Tensor, Tensor | None]:
        images = self._batch(start, stop)
        if self._forward.compiled:
            if missing := self._per_batch - len(images):  # one size, one compilation
                images = torch.cat([images, images[:1].expand(missing, -1, -1, -1)])
                if self._channels_last:
                    images = images.contiguous(memory_format=torch.channels_last)
            if (len(images), codes) not in self._checked:
                self._check_compiled(images, codes)
        count = len(images)
        logits, latent = self._forward(images, codes=codes)
        if not isinstance(logits, Tensor) or logits.dim() != 2 or len(logits) != count:
            got = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise InputError(f"the network returned {got} for {count} images; expected one row of logits each.")
        if logits.shape[1] <= self._largest_label:
            raise InputError(
                f"the network has {logits.shape[1]} logits, but there are labels up to {self._largest_label}; "
                "give a network with one logit per class."
            )
        here = stop - start
        return logits[:here], latent[:here] if latent is not None else None

    def _batch(self, start: int, stop: int) -> Tensor:
        images = self._images.batch(start, stop)
        if not self._channels_last:
            images = images.contiguous()
        return images.double() if self.precision == "fp64" else images

    def _check_compiled(self, images: Tensor, codes: bool) -> None:
        if note := self._forward.check(images, codes=codes):
            self.notes.append(note)
        self._checked.add((len(images), codes))

    @property
    def compiled(self) -> bool:
        """Whether forward passes go through ``torch.compile``."""
        return self._forward.compiled

    @property
    def can_compile(self) -> bool:
        """Whether this machine has what ``torch.compile`` needs."""
        return can_compile(self.device)

    @property
    def _per_batch(self) -> int:
        """Images a forward pass: compiled, batches of equal size, so that little is filled up at the end."""
        n = len(self.rows)
        return math.ceil(n / math.ceil(n / self.batch_size)) if self._forward.compiled else self.batch_size

    def _halve_the_batch(self, tried: int) -> None:
        if tried <= 1:
            raise InputError(
                f"one image of {self._images.pixels.shape[1]} px does not fit into the memory of {self.device}; use a "
                "smaller image size or another device."
            )
        self.batch_size = max(1, tried // 2)
        self._forward = Forward(self._folded.network)
        self.notes.append(f"out of memory with {tried} images a forward pass: went on with {self.batch_size}")
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    @contextmanager
    def _arithmetic(self) -> Iterator[None]:
        """Float32 as float32, unless TF32 was asked for."""
        if self.precision != "tf32":
            with exact_float32(self.device):
                yield
            return
        before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
        try:
            yield
        finally:
            torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before

    def _may_compile(self) -> bool:
        norms = [module for module in self._folded.network.modules() if isinstance(module, _BatchNorm)]
        if any(norm.running_mean is None for norm in norms):
            self.notes.append("the network is not compiled: its batch norm needs batches that are not filled up")
            return False
        if not can_compile(self.device):
            self.notes.append("the network is not compiled: this machine has no C++ compiler (CPU) or Triton (CUDA)")
            return False
        return True

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


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether a device, or the machine, had no room for what a forward pass needs."""
    said = str(error)
    return isinstance(error, torch.OutOfMemoryError) or any(
        words in said for words in ("out of memory", "can't allocate memory", "not enough memory")
    )


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
