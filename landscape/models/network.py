"""The model of domain generalization: featurizer + classifier, with frozen batch norm."""

import math
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from landscape.errors import InputError, unknown_choice
from landscape.models.stages import Change, Stages, at_input, at_output, end_of
from landscape.models.tail import Tail, norms_before
from landscape.weights import borrowed

BatchNorm = Literal["frozen", "train"]
Colour = tuple[float, float, float]

IMAGENET_MEAN: Colour = (0.485, 0.456, 0.406)
IMAGENET_STD: Colour = (0.229, 0.224, 0.225)


def resolve_batch_norm(batch_norm: str, weights: str, network: nn.Module | None = None) -> BatchNorm:
    """``auto`` freezes batch norm when the network is pretrained.

    Without pretrained weights the running statistics are still mean 0 and variance 1; frozen they would be no
    normalisation at all.

    Args:
        batch_norm: ``auto``, ``frozen`` or ``train``; the last two stay what they are.
        weights: ``imagenet``, ``none``, or a file.
        network: where `weights` does not tell (the user's own network), ``auto`` also trains batch norm when every
            running statistic of this network is at its initial value.

    Raises:
        InputError: an unknown policy.
    """
    if batch_norm == "auto":
        untrained = weights == "none" or (network is not None and _has_initial_statistics(network))
        return "train" if untrained else "frozen"
    if batch_norm in ("frozen", "train"):
        return batch_norm  # type: ignore[return-value]
    raise unknown_choice("batch norm policy", batch_norm, ("auto", "frozen", "train"))


class Network(nn.Module):
    """Featurizer F and classifier C: logits = C(F(x)).

    Frozen batch norm (DomainBed's ``freeze_bn``): the running statistics stay what they are, the affine weights
    are trained. Dropout on the latent code belongs to the featurizer, so that C(z) sees the code after it.

    Args:
        featurizer: images (B, 3, S, S) to latent codes (B, D).
        classifier: latent codes (B, D) to logits (B, K).
        feature_dim: D.
        num_classes: K.
        mean: mean of the input normalisation per colour, in units of pixel / 255.
        std: its standard deviation, likewise: the network's input is ``(pixel / 255 - mean) / std``.
        batch_norm: ``frozen`` or ``train``.
        name: what the network is called in messages.
        stages: names of the featurizer's stages, in order, and of the submodules whose outputs they are.
    """

    featurizer: nn.Module
    classifier: nn.Module
    _stages: Stages

    def __init__(
        self,
        featurizer: nn.Module,
        classifier: nn.Module,
        *,
        feature_dim: int,
        num_classes: int,
        mean: Colour = IMAGENET_MEAN,
        std: Colour = IMAGENET_STD,
        batch_norm: BatchNorm = "frozen",
        name: str = "network",
        stages: Stages | None = None,
    ) -> None:
        super().__init__()
        self.featurizer = featurizer
        self.classifier = classifier
        self.feature_dim = feature_dim
        self.num_classes = num_classes
        self.mean, self.std = mean, std
        self.batch_norm = batch_norm
        self.name = name
        self._stages = dict(stages or {})
        self.train()

    @property
    def split(self) -> bool:
        """Whether the network has a featurizer and a classifier; only a user's own network may have none."""
        return True

    def split_required(self, method: str) -> None:
        """Say so when `method` needs latent codes and the network has none.

        Raises:
            InputError: the network has no featurizer and classifier.
        """
        if not self.split:
            raise InputError(
                f"{method} needs latent codes, but {self.name} has no .featurizer and .classifier; give the network "
                "these two attributes, with forward(x) = classifier(featurizer(x)), or use a method without codes."
            )

    @property
    def stages(self) -> tuple[str, ...]:
        """Names of the stages in order (:mod:`landscape.models.stages`); empty for a network that names none."""
        return tuple(self._stages)

    def stages_required(self, method: str, stages: Iterable[str]) -> None:
        """Say so when `method` needs stages that the network does not have.

        Raises:
            InputError: the network names no stages, or not these.
        """
        for stage in stages:
            if stage != "input":
                self._end_of(stage, method)

    def _end_of(self, stage: str, method: str) -> str:
        return end_of(self._stages, stage, method, self.name)

    def between(self, stage: str, function: Change) -> AbstractContextManager[None]:
        """A context in which ``function`` is applied to the output of a stage, in every forward pass.

        Several of them act in the order in which they were entered. Nothing remains on the network afterwards, and
        a copy made inside the context computes without the function. A compiled network may not notice the function.

        Args:
            stage: one of :attr:`stages`, or ``input`` for the normalised images (B, 3, S, S).
            function: feature maps to feature maps, (B, C, H, W), or tokens (B, N, C) in a vision transformer.

        Raises:
            InputError: no such stage.
        """
        if stage == "input":
            return at_input(self.featurizer if self.split else self._whole, function)
        return at_output(self.get_submodule(self._end_of(stage, "a function between layers")), function)

    @property
    def _whole(self) -> nn.Module:
        """The module whose forward pass takes the images."""
        return self

    def features(self, images: Tensor, stages: Sequence[str]) -> tuple[Tensor, dict[str, Tensor]]:
        """Latent codes (B, D) and the output of each of these stages, in one pass.

        Functions of :meth:`between` act first: what is returned is what the next stage gets.

        Raises:
            InputError: no such stage, or a network without latent codes.
        """
        self.split_required("reading features")
        maps: dict[str, Tensor] = {}
        with ExitStack() as stack:
            for stage in stages:
                # What setdefault stores it also returns, so the maps pass unchanged.
                stack.enter_context(self.between(stage, partial(maps.setdefault, stage)))
            codes: Tensor = self.featurizer(images)
        if missing := [stage for stage in stages if stage not in maps]:
            raise InputError(f"the featurizer of {self.name} does not reach its {missing[0]}; name another stage.")
        return codes, maps

    def tail(self, stage: str, *, image_size: int = 224) -> Tail:
        """A copy of the rest of the featurizer, from the output of a stage to latent codes (B, D).

        Dropout on the code is part of it; frozen batch norm stays frozen until its mode is changed: in a
        :class:`Network` of its own, with a classifier, it stays so for good.

        Args:
            stage: one of :attr:`stages`.
            image_size: a side of images that the network takes.

        Raises:
            InputError: no such stage, or the rest of this network cannot be had as a module.
        """
        self.split_required("the tail of a network")
        end = self._end_of(stage, "the tail of a network")
        if not end.startswith("featurizer."):
            raise InputError(f"{stage} of {self.name} is no part of its featurizer, so no latent codes follow it.")
        return Tail(self.featurizer, end.removeprefix("featurizer."), image_size=image_size, name=self.name)

    def norms_until(self, stage: str, *, image_size: int = 224) -> list[nn.Parameter]:
        """Affine parameters of batch norm in all layers up to the end of a stage: those that :meth:`tail` lacks.

        Args:
            stage: one of :attr:`stages`.
            image_size: a side of images that the network takes.

        Raises:
            InputError: as :meth:`tail`.
        """
        return norms_before(self.tail(stage, image_size=image_size), self.featurizer)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, K)."""
        logits: Tensor = self.classifier(self.featurizer(images))
        return logits

    def train(self, mode: bool = True) -> "Network":
        """Training or evaluation mode; frozen batch norm is in evaluation mode in both."""
        super().train(mode)
        self._hold_batch_norm()
        return self

    def _hold_batch_norm(self) -> None:
        if self.batch_norm == "frozen":
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.training = False

    def check(self, images: Tensor) -> None:
        """Run a few images once and see that the outputs are what training and evaluation expect.

        Args:
            images: (B, 3, S, S), on the network's device.

        Raises:
            InputError: the network cannot take images of this size, has another number of logits or of features,
                or its forward pass is not classifier(featurizer(x)).
        """
        with borrowed(self), torch.no_grad():
            try:
                logits = self(images)
                codes = self.featurizer(images) if self.split else None
            except (RuntimeError, ValueError, AssertionError) as error:
                shape = " x ".join(map(str, images.shape[1:]))
                raise InputError(f"{self.name} fails on images of {shape}: {error}") from error
            self._check_shape("logits", logits, (len(images), self.num_classes))
            if codes is not None:
                self._check_shape("latent codes", codes, (len(images), self.feature_dim))
                if not torch.allclose(self.classifier(codes), logits, rtol=1e-3, atol=1e-4, equal_nan=True):
                    raise InputError(
                        f"{self.name} computes something else than classifier(featurizer(x)) in its forward pass; "
                        "methods that mix latent codes need the two to agree."
                    )

    def _check_shape(self, what: str, output: Any, expected: tuple[int, int]) -> None:
        if not isinstance(output, Tensor):
            raise InputError(f"{self.name} returns a {type(output).__name__} as {what}; expected a tensor.")
        if tuple(output.shape) != expected:
            raise InputError(f"{self.name} returns {what} of shape {tuple(output.shape)}; expected {expected}.")


def _has_initial_statistics(network: nn.Module) -> bool:
    """Whether there are running statistics, and all of them are still mean 0 and variance 1."""
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    means = [norm.running_mean for norm in norms if norm.running_mean is not None]
    variances = [norm.running_var for norm in norms if norm.running_var is not None]
    untouched = not any(bool(mean.any()) for mean in means) and all(bool((v == 1).all()) for v in variances)
    return bool(means) and untouched


def colour(values: Any, what: str) -> Colour:
    """Three finite numbers as a tuple.

    Raises:
        InputError: something else was given.
    """
    numbers = values.tolist() if isinstance(values, Tensor) else values
    try:
        red, green, blue = (float(number) for number in numbers)
    except (TypeError, ValueError) as error:
        raise InputError(f"{what} is {values!r}; expected three numbers in units of pixel / 255.") from error
    if not all(map(math.isfinite, (red, green, blue))):
        raise InputError(f"{what} is {values!r}; expected three finite numbers in units of pixel / 255.")
    return red, green, blue
