"""SagNet on latent codes, as in DomainBed: a classifier that ignores style, a featurizer that hides it."""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from landscape.algorithms.algorithm import Algorithm, Setup
from landscape.algorithms.composed import Composed
from landscape.algorithms.optimizers import optimizer_of, schedule
from landscape.algorithms.rows.loops import SagNetOptions
from landscape.data import Minibatch
from landscape.models import build_head
from landscape.seeding import torch_generator

_EPSILON = 1e-5


def build(setup: Setup) -> "SagNet":
    """SagNet in DomainBed's form (Nam et al. 2021, "Reducing Domain Gap by Reducing Style Bias")."""
    return SagNet(setup)


class SagNet(Algorithm):
    """Three updates a step, each with a forward pass of its own.

    1. featurizer and classifier: cross entropy of codes with another style;
    2. style head: cross entropy of codes with another content;
    3. featurizer: `weight` times the cross entropy of the style head's answer with the uniform distribution.
    """

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        network = self.network
        self.options = cast(SagNetOptions, self.config.options)
        self.content = Composed(setup)
        head = build_head(network.feature_dim, network.num_classes, head=self.config.head).to(self.device)
        self.modules["style"] = head
        self.optimizers |= {**self.content.optimizers, "style": optimizer_of(self.config, list(head.parameters()))}

    def update(self, batch: Minibatch, step: int) -> dict[str, Tensor]:
        """One update; `step` counts from 1."""
        labels, generator = batch.labels.flatten(), torch_generator(self.config.seed, "algorithm", step, "styles")
        head, optimizer = self.modules["style"], self.optimizers["style"]

        loss = F.cross_entropy(self.network.classifier(other_style(self.content.featurize(batch), generator)), labels)
        self.content.backward(loss)
        self.content.descend(step)

        codes = self.content.featurize(batch).detach()
        loss_style = F.cross_entropy(head(other_content(codes, generator)), labels)
        optimizer.zero_grad(set_to_none=True)
        loss_style.backward()
        schedule(optimizer, self.config, step)
        optimizer.step()

        logits = head(other_content(self.content.featurize(batch), generator))
        adversarial = -logits.log_softmax(1).mean()
        # Weights that the loss does not reach have no gradient, and Adam leaves them alone.
        self.content.backward(self.options.weight * adversarial)
        self.content.descend(step)
        return {"loss": loss.detach(), "loss_style": loss_style.detach(), "loss_adversarial": adversarial.detach()}


def other_style(features: Tensor, generator: torch.Generator) -> Tensor:
    """Features whose statistics lie between their own and another sample's.

    Args:
        features: (N, D) codes, with one mean and variance a sample; or (N, C, H, W) maps, with one a channel.
        generator: draws the other sample and, for each sample, where between the two.
    """
    normal, mean, variance = _normalised(features)
    share = torch.rand(len(features), generator=generator).to(features.device)
    share = share.view(-1, *[1] * (features.ndim - 1))
    other = torch.randperm(len(features), generator=generator).to(features.device)
    mean, variance = (share * each + (1 - share) * each[other] for each in (mean, variance))
    return (normal * (variance + _EPSILON).sqrt() + mean).to(features.dtype)


def other_content(features: Tensor, generator: torch.Generator) -> Tensor:
    """Features with their own statistics and another sample's normalised values, constants for the gradient."""
    normal, mean, variance = _normalised(features)
    other = torch.randperm(len(features), generator=generator).to(features.device)
    return (normal[other].detach() * (variance + _EPSILON).sqrt() + mean).to(features.dtype)


def _normalised(features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    if features.dtype in (torch.bfloat16, torch.float16):  # statistics of eight bits would be none
        features = features.float()
    dims = -1 if features.ndim == 2 else tuple(range(2, features.ndim))
    variance, mean = torch.var_mean(features, dim=dims, keepdim=True)
    return (features - mean) / (variance + _EPSILON).sqrt(), mean, variance
