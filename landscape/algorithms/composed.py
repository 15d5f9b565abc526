"""An update composed of parts: inputs, features between stages, loss and penalty, gradient rule, ascent, optimizer."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn import Parameter

from landscape.algorithms.algorithm import Algorithm, Setup
from landscape.algorithms.optimizers import optimizer_of, schedule
from landscape.data import Minibatch
from landscape.seeding import numpy_generator

Metrics = dict[str, Tensor]


@dataclass(frozen=True)
class Outputs:
    """What the network makes of a minibatch of n domains with B images each.

    Attributes:
        logits: (n, B, K) float32.
        labels: (n, B) int64, or (n, B, K) shares of the classes.
        codes: (n, B, D) float32; None for a network without featurizer and classifier.
    """

    logits: Tensor
    labels: Tensor
    codes: Tensor | None = None


class Rule(Protocol):
    """The gradient of an update in place of the domains' mean; see :mod:`landscape.algorithms.rules.kinds`."""

    def __call__(
        self, gradients: list[list[Tensor | None]], generator: np.random.Generator
    ) -> tuple[list[Tensor | None], Metrics]:
        """The combined gradient of every parameter, and what to log."""
        ...


Inputs = Callable[[Minibatch, int], Minibatch]
"""``(batch, step)``: other images or labels in place of those drawn."""
Features = Callable[[Minibatch, int], AbstractContextManager[object]]
"""``(batch, step)``: a context in which the forward pass runs, made of ``network.between``."""
Loss = Callable[[Outputs], Tensor]
Penalty = Callable[[Outputs, int], tuple[Tensor, Metrics]]
"""``(outputs, step)``: what is added to the loss, and what to log of it."""
Ascent = Callable[[nn.Module, Callable[[], Metrics], int], Metrics]
"""``(network, gradients, step)``: calls `gradients`, which sets every ``.grad``, at weights of its choice, then puts
them back."""


def cross_entropy(outputs: Outputs) -> Tensor:
    """The mean cross entropy over all images of the minibatch, in nats."""
    return F.cross_entropy(outputs.logits.flatten(0, 1), outputs.labels.flatten(0, 1))


class Composed(Algorithm):
    """A method that consists of parts. Without any it is ERM.

    With a gradient rule every domain has its own forward and backward pass, together as expensive as the pooled one.
    Batch norm that is trained then normalises with the statistics of one domain instead of the pooled batch; frozen
    batch norm makes no difference.

    Args:
        setup: network, configuration and facts.
        inputs: changes the minibatch.
        features: changes features between stages.
        loss: of the outputs; the pooled mean cross entropy by default.
        penalty: is added to the loss.
        rule: makes one gradient of the domains'.
        ascent: takes the gradient somewhere else.
        observe: sees the latent codes (n B, D) of every forward pass, detached.
        modules: trained or tracked beside the network.

    Raises:
        ValueError: a penalty together with a rule: it would be a function of one domain at a time.
    """

    def __init__(
        self,
        setup: Setup,
        *,
        inputs: Inputs | None = None,
        features: Features | None = None,
        loss: Loss = cross_entropy,
        penalty: Penalty | None = None,
        rule: Rule | None = None,
        ascent: Ascent | None = None,
        observe: Callable[[Tensor], object] | None = None,
        modules: Mapping[str, nn.Module] | None = None,
    ) -> None:
        super().__init__(setup)
        if rule and penalty:
            raise ValueError("a penalty over domains and a rule that takes one domain at a time exclude each other")
        self._inputs, self._features, self._loss, self._penalty = inputs, features, loss, penalty
        self._rule, self._ascent, self._observe = rule, ascent, observe
        self.modules |= modules or {}
        self.optimizers["base"] = optimizer_of(self.config, self._trained())

    def update(self, batch: Minibatch, step: int) -> Metrics:
        """One update; `step` counts from 1."""
        if self._inputs:
            batch = self._inputs(batch, step)

        def gradients() -> Metrics:
            return self._by_domain(batch, step) if self._rule else self._pooled(batch, step)

        metrics = self._ascent(self.network, gradients, step) if self._ascent else gradients()
        self.descend(step)
        return metrics

    def featurize(self, batch: Minibatch) -> Tensor:
        """Latent codes (n B, D) in float32 of the pooled batch, domain after domain. They are observed."""
        with self.autocast():
            codes = self.network.featurizer(batch.images.flatten(0, 1))
        codes = codes.float()
        if self._observe:
            self._observe(codes.detach())
        return codes

    def backward(self, loss: Tensor) -> None:
        """Set the gradients of the network's weights, and of everything else that the loss depends on."""
        self.optimizers["base"].zero_grad(set_to_none=True)
        loss.backward()

    def descend(self, step: int) -> None:
        """The optimizer's step on featurizer and classifier, by the gradients that are set."""
        optimizer = self.optimizers["base"]
        schedule(optimizer, self.config, step)
        optimizer.step()

    def _trained(self) -> list[Parameter]:
        return [parameter for parameter in self.network.parameters() if parameter.requires_grad]

    def _outputs(self, batch: Minibatch, step: int) -> Outputs:
        shape = batch.images.shape[:2]
        with self._features(batch, step) if self._features else nullcontext():
            if not self.network.split:
                with self.autocast():
                    logits = self.network(batch.images.flatten(0, 1)).float()
                return Outputs(logits.unflatten(0, shape), batch.labels)
            codes = self.featurize(batch)
            logits = self.network.classifier(codes)
        return Outputs(logits.unflatten(0, shape), batch.labels, codes.unflatten(0, shape))

    def _pooled(self, batch: Minibatch, step: int) -> Metrics:
        outputs = self._outputs(batch, step)
        loss = self._loss(outputs)
        metrics = {"loss": loss.detach()}
        if self._penalty:
            penalty, logged = self._penalty(outputs, step)
            loss, metrics = loss + penalty, metrics | logged
        self.backward(loss)
        return metrics

    def _by_domain(self, batch: Minibatch, step: int) -> Metrics:
        trained, gradients, losses = self._trained(), [], []
        for domain in range(len(batch.images)):
            loss = self._loss(self._outputs(batch.only(domain), step))
            self.backward(loss)
            gradients.append([parameter.grad for parameter in trained])
            losses.append(loss.detach())
        assert self._rule is not None
        generator = numpy_generator(self.config.seed, "algorithm", step, "rule")
        combined, metrics = self._rule(gradients, generator)
        for parameter, gradient in zip(trained, combined, strict=True):
            parameter.grad = gradient
        return {"loss": torch.stack(losses).mean(), **metrics}
