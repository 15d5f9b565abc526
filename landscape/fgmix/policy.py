"""The weight generation policy, its ablations and its objective (paper, sections 3.2, 3.3 and 4.4, Eq. 8)."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from landscape.config import MixupConfig
from landscape.errors import InputError
from landscape.fgmix.compatibility import CompatibilityNetwork, FirstLayer
from landscape.fgmix.flatness import absolute_radius, flatness_loss
from landscape.fgmix.gradients import Gradients
from landscape.fgmix.groups import Groups
from landscape.fgmix.mixing import (
    cosine_weights,
    dirichlet_weights,
    mix_codes,
    one_hot_weights,
    scale_and_shift,
    score_sums,
    softmax_weights,
)
from landscape.fgmix.prior import adversarial_loss


@dataclass(frozen=True)
class Variant:
    """One row of the ablation study: where the weights come from and what teaches them (Table 2)."""

    weights: Literal["one-hot", "dirichlet", "code-cosine", "gradient-cosine", "learned"]
    """A copy, a random interpolation, softmax of cosine sums, or softmax of learned scores."""
    inputs: Literal["none", "code", "gradient"]
    """What the weights depend on; a variant without "gradient" never reads a gradient."""
    scaling: Literal["none", "fixed", "learned"]
    """Scaling and shifting (Eq. 5)."""
    flatness: bool
    """Whether the policy is trained with L_flat (Eq. 6)."""
    adversarial: bool
    """Whether the policy is trained with L_adv (Eq. 7)."""

    @property
    def learned(self) -> bool:
        """Whether the policy has parameters: those of S_phi, and lambda where its scaling is learned."""
        return self.weights == "learned"

    @property
    def needs_gradients(self) -> bool:
        """Whether the weights depend on classifier gradients."""
        return self.inputs == "gradient"


VARIANTS = {
    # Not in the paper: the same draws of instances, copied instead of mixed.
    "a0": Variant("one-hot", "none", "none", flatness=False, adversarial=False),
    "a": Variant("dirichlet", "none", "none", flatness=False, adversarial=False),
    "b": Variant("code-cosine", "code", "none", flatness=False, adversarial=False),
    "c": Variant("gradient-cosine", "gradient", "none", flatness=False, adversarial=False),
    "d": Variant("gradient-cosine", "gradient", "fixed", flatness=False, adversarial=False),
    # Not in the paper: L_flat teaches the score while lambda stays what it was.
    "e0": Variant("learned", "gradient", "fixed", flatness=True, adversarial=False),
    "e": Variant("learned", "gradient", "learned", flatness=True, adversarial=False),
    "f": Variant("learned", "code", "learned", flatness=True, adversarial=True),
    "fgmix": Variant("learned", "gradient", "learned", flatness=True, adversarial=True),
}


@dataclass(frozen=True)
class PolicyWeights:
    """Mixing weights of M groups of n members."""

    softmax: Tensor
    """(M, n) weights of Eq. 4, or what takes their place: all >= 0, each row sums to 1."""
    scaled: Tensor
    """(M, n) weights of Eq. 5, with which the codes are mixed: each row sums to 1, entries of any sign."""
    scale: Tensor
    """Scalar scaling factor lambda that was used, detached; 1 without scaling."""
    first_layer: FirstLayer | None = None
    """What learned scores were made from, for :func:`backward_parts`."""


class WeightPolicy(nn.Module):
    """Gives each group's instances their mixing weights: scores, softmax, scaling and shifting (Figure 2b).

    A learned variant holds the compatibility score S_phi as parameters, and unless its scaling is fixed also the
    scaling factor lambda. Otherwise lambda is a constant: `scale_init` in D and E0, 1 where there is no scaling.

    Args:
        variant: a row of Table 2, see :data:`VARIANTS`.
        config: the mixup's settings.
        classifier: the classifier whose gradients are compared; only the number of its parameters is used.
        feature_dim: D, coordinates of a latent code.
    """

    def __init__(self, variant: Variant, config: MixupConfig, *, classifier: nn.Module, feature_dim: int):
        super().__init__()
        self.variant = variant
        self.concentration = config.concentration
        self.scale_min = config.scale_min
        self.score: CompatibilityNetwork | None = None
        if variant.learned:
            gradient_dim = sum(parameter.numel() for parameter in classifier.parameters())
            self.score = CompatibilityNetwork(
                gradient_dim if variant.needs_gradients else feature_dim,
                hidden=config.hidden,
                depth=config.depth,
                activation=config.activation,
                normalisation=config.gradient_norm,
            )
        scale = torch.tensor(1.0 if variant.scaling == "none" else float(config.scale_init))
        self.scale: Tensor
        if variant.scaling == "learned":
            self.scale = nn.Parameter(scale)
        else:
            self.register_buffer("scale", scale)

    @property
    def needs_gradients(self) -> bool:
        """Whether :meth:`forward` reads the gradients."""
        return self.variant.needs_gradients

    def forward(
        self,
        codes: Tensor,
        gradients: Gradients | None,
        groups: Groups,
        generator: np.random.Generator | None = None,
    ) -> PolicyWeights:
        """Mixing weights for the groups (Eqs. 3-5).

        Args:
            codes: (N, D) latent codes of the pooled batch; treated as constants.
            gradients: their classifier gradients; may be None for a variant that does not read them.
            groups: which instances are mixed.
            generator: for the variants with random weights (A0, A).

        Returns:
            Softmax and scaled weights (M, n); a learned policy's carry its graph.

        Raises:
            InputError: the variant needs gradients or a generator and got None.
        """
        codes = codes.detach()
        first = None
        if self.variant.inputs == "none":
            softmax = self._random(groups, generator).to(codes)
        else:
            inputs = gradients if self.needs_gradients else codes
            if inputs is None:
                raise InputError("this variant weighs instances by their classifier gradients, but got none.")
            if self.score is None:
                softmax = cosine_weights(inputs, groups.rows)
            else:
                first, position = self.score.first_layer(inputs, groups.rows)
                softmax = softmax_weights(score_sums(self.score.pair_scores(first, position)))
        self._respect_bound()
        scaled = softmax if self.variant.scaling == "none" else scale_and_shift(softmax, self.scale)
        # A copy: the optimizer changes lambda in place, and what was used here is to be logged.
        return PolicyWeights(softmax, scaled, self.scale.detach().clone(), first)

    def _random(self, groups: Groups, generator: np.random.Generator | None) -> Tensor:
        if generator is None:
            raise InputError(f"{self.variant.weights} weights are random; give the policy a generator.")
        count, n = groups.rows.shape
        if self.variant.weights == "one-hot":
            return one_hot_weights(count, n, generator)
        return dirichlet_weights(count, n, self.concentration, generator)

    @torch.no_grad()
    def _respect_bound(self) -> None:
        """Project lambda onto its lower bound after an update has carried it below.

        A clamp in the graph would give no gradient below the bound and hold lambda there for good.
        """
        if isinstance(self.scale, nn.Parameter) and self.scale_min is not None and self.scale < self.scale_min:
            self.scale.fill_(self.scale_min)


@dataclass(frozen=True)
class PolicyLoss:
    """The policy's objective and its parts (Eq. 8); scalars in nats with the policy's graph."""

    flat: Tensor
    """L_flat; 0 where the variant does not use it."""
    adv: Tensor
    """L_adv, not yet weighted; 0 where the variant does not use it."""
    total: Tensor
    """``L_flat + eta L_adv``."""
    eta: float
    """Weight of L_adv."""


def policy_loss(
    variant: Variant,
    config: MixupConfig,
    classifier: nn.Module,
    discriminator: nn.Module | None,
    codes: Tensor,
    labels: Tensor,
    groups: Groups,
    weights: PolicyWeights,
    *,
    generator: torch.Generator,
) -> PolicyLoss:
    """Objective of the weight policy, ``min_{phi, lambda} L_flat + eta L_adv`` (Eq. 8).

    The gradient reaches the policy only: codes, classifier and discriminator are constants. Without groups (no class
    is shared between sources) all parts are 0 and carry no gradient.

    >>> from landscape.fgmix import sample_groups
    >>> config, classifier, labels = MixupConfig(), nn.Linear(2, 2), torch.tensor([[0, 1], [1, 0]])
    >>> codes, groups = torch.rand(4, 2), sample_groups(labels, count=3, generator=np.random.default_rng(0))
    >>> policy = WeightPolicy(VARIANTS["a"], config, classifier=classifier, feature_dim=2)
    >>> weights = policy(codes, None, groups, np.random.default_rng(0))
    >>> given = classifier, None, codes, labels.flatten(), groups, weights
    >>> float(policy_loss(VARIANTS["a"], config, *given, generator=torch.Generator()).total)  # A learns nothing
    0.0

    Args:
        variant: which of the two terms take part.
        config: radius, directions, forms and eta.
        classifier: theta_C before this step's update.
        discriminator: of Eq. 7; None where the variant has no adversarial term.
        codes: (N, D) latent codes of the pooled batch.
        labels: (N,) their classes.
        groups: which instances are mixed.
        weights: the policy's output for these groups.
        generator: source of the random directions.

    Returns:
        The objective and its parts.

    Raises:
        InputError: the variant has an adversarial term and there is no discriminator.
    """
    codes = codes.detach()
    flat = adv = codes.new_zeros(())
    if variant.adversarial and discriminator is None:
        raise InputError("this variant has an adversarial term, but got no discriminator.")
    if variant.flatness and len(groups):
        flat = flatness_loss(
            classifier,
            codes,
            labels,
            groups.rows,
            weights.scaled,
            groups.labels,
            radius=absolute_radius(classifier, config.radius, relative=config.radius_relative),
            directions=config.directions,
            difference=config.flat_loss,
            data=config.flat_data,
            generator=generator,
        )
    if discriminator is not None and variant.adversarial and len(groups):
        generated = mix_codes(codes, groups.rows, weights.scaled)
        adv = adversarial_loss(discriminator, generated, form=config.generator_loss)
    return PolicyLoss(flat, adv, flat + config.eta * adv, config.eta)


def backward_parts(policy: WeightPolicy, weights: PolicyWeights, loss: PolicyLoss) -> dict[str, Tensor]:
    """Fill the policy's ``.grad`` with the gradient of Eq. 8 and return the norms of its two parts.

    Takes the place of ``loss.total.backward()`` at about its cost: the radius decides which part steers the policy,
    so the sizes of both belong into the log. Only the large first layer is expensive, and it is passed once, for
    the sum. Existing gradients are overwritten. Where there is nothing to learn from (no groups), they become None,
    and an optimizer leaves the policy as it is.

    >>> policy = WeightPolicy(VARIANTS["a"], MixupConfig(), classifier=nn.Linear(2, 2), feature_dim=2)
    >>> weights, zero = PolicyWeights(torch.ones(1, 1), torch.ones(1, 1), torch.ones(())), torch.zeros(())
    >>> [float(norm) for norm in backward_parts(policy, weights, PolicyLoss(zero, zero, zero, 1.0)).values()]
    [0.0, 0.0, 0.0, 0.0]

    Args:
        policy: a learned policy.
        weights: its output, from which `loss` was computed.
        loss: the objective.

    Returns:
        ``flat_phi``, ``flat_scale``, ``adv_phi``, ``adv_scale``: Euclidean norms of the gradients of L_flat and of
        eta L_adv with respect to S_phi and to lambda; 0 for a part that the variant does not use.
    """
    norms = {f"{part}_{over}": loss.total.new_zeros(()) for part in ("flat", "adv") for over in ("phi", "scale")}
    policy.zero_grad(set_to_none=True)
    first, score = weights.first_layer, policy.score
    if first is None or score is None:
        return norms
    others = [parameter for parameter in policy.parameters() if parameter is not score.weight]
    slopes = None
    for part, value in (("flat", loss.flat), ("adv", loss.eta * loss.adv)):
        if not value.requires_grad:
            continue
        slope, *gradients = torch.autograd.grad(value, [first.products, *others], retain_graph=True)
        squares = [first.weight_gradient_norm(slope).square()]
        for parameter, gradient in zip(others, gradients, strict=True):
            if parameter is policy.scale:
                norms[f"{part}_scale"] = gradient.abs()
            else:
                squares.append(gradient.square().sum())
            parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient
        norms[f"{part}_phi"] = torch.stack(squares).sum().sqrt()
        slopes = slope if slopes is None else slopes + slope
    if slopes is not None:
        (score.weight.grad,) = torch.autograd.grad(first.products, score.weight, slopes)
    return norms
