"""SagNet on feature maps, as its authors have it: a style network beside the classifier's last stages."""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from landscape.algorithms.algorithm import Algorithm, Setup
from landscape.algorithms.composed import Composed
from landscape.algorithms.loops.sagnet import other_content, other_style
from landscape.algorithms.optimizers import optimizer_of, schedule
from landscape.algorithms.rows.loops import SagNetMapsOptions
from landscape.data import Minibatch
from landscape.errors import InputError
from landscape.models import Network, build_head
from landscape.seeding import torch_generator

_EPSILON = 1e-5


def build(setup: Setup) -> "SagNetMaps":
    """SagNet in its authors' form (Nam et al. 2021, "Reducing Domain Gap by Reducing Style Bias", section 3)."""
    return SagNetMaps(setup)


class SagNetMaps(Algorithm):
    """One forward pass, three gradients at the same weights, then three steps.

    1. network: cross entropy with styles exchanged behind the stage;
    2. style network, a second copy of the stages behind it with a head of its own: cross entropy with contents
       exchanged;
    3. affine batch norm up to the stage: `weight` times the cross entropy of the style network's answer with the
       uniform distribution, its gradient no longer than `clip`.

    Published code steps between the three backward passes, which today's autograd refuses.

    Raises:
        InputError: the network has no such stage, its rest cannot be had as a module, or nothing before it is
            normalised by batch.
    """

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        network, size = self.network, self.config.image_size
        self.options = cast(SagNetMapsOptions, self.config.options)
        network.stages_required(self.config.method.label, [self.options.stage])
        if self.options.stage == network.stages[-1]:
            raise InputError(
                f"--options.stage is {self.options.stage}, the last stage: the style network would have no stage of "
                "its own."
            )
        self.content = Composed(setup)
        self.style = Network(
            network.tail(self.options.stage, image_size=size),
            build_head(network.feature_dim, network.num_classes, head=self.config.head),
            feature_dim=network.feature_dim,
            num_classes=network.num_classes,
            batch_norm=network.batch_norm,
            name="the style network",
        ).to(self.device)
        self.modules["style"] = self.style
        self.norms = [norm for norm in network.norms_until(self.options.stage, image_size=size) if norm.requires_grad]
        if not self.norms:
            raise InputError(
                f"{self.config.method.label} moves batch norm before {self.options.stage}, but {network.name} has none "
                "there; try --algorithm sagnet."
            )
        learned = [parameter for parameter in self.style.parameters() if parameter.requires_grad]
        self.optimizers |= {
            **self.content.optimizers,
            "style": optimizer_of(self.config, learned),
            "adversary": optimizer_of(self.config, self.norms),
        }

    def update(self, batch: Minibatch, step: int) -> dict[str, Tensor]:
        """One update; `step` counts from 1."""
        labels, generator = batch.labels.flatten(), torch_generator(self.config.seed, "algorithm", step, "styles")
        kept: list[Tensor] = []

        def restyled(maps: Tensor) -> Tensor:
            kept.append(maps)
            return other_style(maps, generator)

        with self.network.between(self.options.stage, restyled):
            codes = self.content.featurize(batch)
        loss = F.cross_entropy(self.network.classifier(codes), labels)
        with self.autocast():
            style_codes = self.style.featurizer(other_content(kept[0], generator))
        answer = self.style.classifier(style_codes.float())
        loss_style = F.cross_entropy(answer, labels)
        adversarial = -(answer.softmax(1) + _EPSILON).log().mean()

        learned = self._parameters("style")
        of_style = torch.autograd.grad(loss_style, learned, retain_graph=True)
        of_adversary = torch.autograd.grad(self.options.weight * adversarial, self.norms, retain_graph=True)
        self.content.backward(loss)
        self.content.descend(step)
        self._step("style", of_style, step)
        length = torch.stack([gradient.norm() for gradient in of_adversary]).norm()
        shorter = (self.options.clip / (length + 1e-6)).clamp(max=1)
        self._step("adversary", [gradient * shorter for gradient in of_adversary], step)
        return {
            "loss": loss.detach(),
            "loss_style": loss_style.detach(),
            "loss_adversarial": adversarial.detach(),
            "grad_adversarial": length,
        }

    def _parameters(self, name: str) -> list[torch.nn.Parameter]:
        return [parameter for group in self.optimizers[name].param_groups for parameter in group["params"]]

    def _step(self, name: str, gradients: "list[Tensor] | tuple[Tensor, ...]", step: int) -> None:
        for parameter, gradient in zip(self._parameters(name), gradients, strict=True):
            parameter.grad = gradient
        schedule(self.optimizers[name], self.config, step)
        self.optimizers[name].step()
