"""FGMix and its variants A-F: mixup of latent codes with a learned or fixed weight policy."""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from landscape.algorithms import erm
from landscape.algorithms.algorithm import Algorithm, Setup
from landscape.algorithms.optimizers import adam
from landscape.data import Minibatch
from landscape.fgmix import (
    VARIANTS,
    Discriminator,
    FeatureMoments,
    Gradients,
    Groups,
    PolicyWeights,
    WeightPolicy,
    backward_parts,
    classifier_gradients,
    cosine_scores,
    discriminator_accuracy,
    discriminator_loss,
    extrapolated,
    mix_codes,
    policy_loss,
    sample_groups,
    weight_entropy,
)
from landscape.seeding import numpy_generator, torch_generator


def build(setup: Setup) -> "FGMix":
    """FGMix, or the variant that the configuration names."""
    return FGMix(setup)


class FGMix(Algorithm):
    """ERM until step T0 - 1; from T0 on also mixup codes, and a policy that learns their weights.

    One active step, with everything taken from the same forward pass and the same classifier
    (FGMix paper, Algorithm 1; its order of updates is not published, this is ours):

    1. latent codes z of the sources' minibatches; moving moments of z (Eq. 7).
    2. M groups of one same-class sample from each source; gradients of their losses with respect to the
       classifier; weights (Eqs. 3-5); mixup codes (Eq. 1).
    3. featurizer and classifier: Adam on Eq. 2, the weights held constant.
    4. policy: Adam on L_flat + eta L_adv (Eq. 8), codes and classifier held constant.
    5. discriminator: Adam on its cross entropy, samples of the prior against the codes of 2.

    Which of these a variant has is in :data:`landscape.fgmix.VARIANTS` (Table 2).
    """

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        network, mixup = self.network, self.config.mixup
        self.plain = erm.build(setup)
        self.modules |= self.plain.modules
        self.optimizers |= self.plain.optimizers
        self.variant = VARIANTS[self.config.algorithm]
        self.policy = WeightPolicy(
            self.variant, mixup, classifier=network.classifier, feature_dim=network.feature_dim
        ).to(self.device)
        self.modules["policy"] = self.policy
        if self.variant.learned:
            self.optimizers["policy"] = adam(list(self.policy.parameters()), mixup.policy_lr)
        self.discriminator: Discriminator | None = None
        if self.variant.adversarial:
            self.discriminator = Discriminator(network.feature_dim, hidden=mixup.hidden, activation=mixup.activation)
            self.modules["discriminator"] = self.discriminator.to(self.device)
            self.optimizers["discriminator"] = adam(list(self.discriminator.parameters()), mixup.policy_lr)

    def update(self, batch: Minibatch, step: int) -> dict[str, Tensor]:
        """One update; `step` counts from 1."""
        mixup, seed = self.config.mixup, self.config.seed
        if step < mixup.start:
            return self.plain.update(batch, step)
        codes, labels = self.plain.featurize(batch), batch.labels.flatten()
        fixed = codes.detach()
        groups = sample_groups(
            batch.labels,
            count=mixup.codes,
            generator=numpy_generator(seed, "algorithm", step, "groups"),
            rule=mixup.groups,
            domains_per_mixup=mixup.domains_per_mixup,
        )
        gradients = None
        if self.policy.needs_gradients:
            gradients = classifier_gradients(self.network.classifier, fixed, labels)
        if len(groups) == 0:  # no class in two sources' minibatches: nothing to mix in this step
            loss = F.cross_entropy(self.network.classifier(codes), labels)
            self._base_step(loss, step)
            return {"loss": loss.detach(), "codes": torch.zeros_like(loss)}
        weights = self.policy(fixed, gradients, groups, numpy_generator(seed, "algorithm", step, "weights"))

        metrics = self._policy_gradients(fixed, labels, groups, weights, step)
        metrics |= self._base_update(codes, labels, groups, weights.scaled.detach(), step)
        self._step_optimizer("policy")
        metrics |= self._discriminator_update(fixed, groups, weights.scaled.detach(), step)
        metrics |= self._describe(weights, groups, gradients)
        return metrics

    def _base_step(self, loss: Tensor, step: int) -> None:
        self.plain.backward(loss)
        self.plain.descend(step)

    def _base_update(
        self, codes: Tensor, labels: Tensor, groups: Groups, weights: Tensor, step: int
    ) -> dict[str, Tensor]:
        """Eq. 2: gradients reach the featurizer through original and mixup codes."""
        mixup = self.config.mixup
        mixed = mix_codes(codes, groups.rows, weights)
        logits = self.network.classifier(torch.cat([codes, mixed]))
        each = F.cross_entropy(logits, torch.cat([labels, groups.labels]), reduction="none")
        original, generated = each[: len(codes)], each[len(codes) :]
        if mixup.weighting == "pooled":
            loss = (original.sum() + mixup.code_weight * generated.sum()) / len(each)
        else:
            loss = original.mean() + mixup.code_weight * generated.mean()
        self._base_step(loss, step)
        return {
            "loss": loss.detach(),
            "loss_original": original.mean().detach(),
            "loss_mixup": generated.mean().detach(),
        }

    def _policy_gradients(
        self, codes: Tensor, labels: Tensor, groups: Groups, weights: PolicyWeights, step: int
    ) -> dict[str, Tensor]:
        """Eq. 8's gradient with respect to the policy, and how much of it either term gives."""
        if not self.variant.learned:
            return {}
        loss = policy_loss(
            self.variant,
            self.config.mixup,
            self.network.classifier,
            self.discriminator,
            codes,
            labels,
            groups,
            weights,
            generator=torch_generator(self.config.seed, "algorithm", step, "directions"),
        )
        # The radius decides which of the two terms steers the policy: log how hard each one pulls.
        norms = {f"grad_{name}": value for name, value in backward_parts(self.policy, weights, loss).items()}
        return {"L_flat": loss.flat.detach(), "L_adv": loss.adv.detach()} | norms

    def _discriminator_update(self, codes: Tensor, groups: Groups, weights: Tensor, step: int) -> dict[str, Tensor]:
        """Eq. 7's maximisation: prior samples against mixup codes."""
        if self.discriminator is None:
            return {}
        mixed = mix_codes(codes, groups.rows, weights)
        moments = cast(FeatureMoments, self.modules["moments"])
        prior = moments.sample(len(mixed), torch_generator(self.config.seed, "algorithm", step, "prior"))
        loss = discriminator_loss(self.discriminator, prior, mixed)
        self.optimizers["discriminator"].zero_grad(set_to_none=True)
        loss.backward()
        with torch.no_grad():
            right = {
                "discriminator_prior": discriminator_accuracy(self.discriminator, prior, real=True),
                "discriminator_mixup": discriminator_accuracy(self.discriminator, mixed, real=False),
                # Real codes are neither: the share that it takes for prior samples.
                "discriminator_source": discriminator_accuracy(self.discriminator, codes, real=True),
            }
        self._step_optimizer("discriminator")
        return right | {"loss_discriminator": loss.detach()}

    def _step_optimizer(self, name: str) -> None:
        if name in self.optimizers:
            self.optimizers[name].step()

    @torch.no_grad()
    def _describe(self, weights: PolicyWeights, groups: Groups, gradients: Gradients | None) -> dict[str, Tensor]:
        scaled = weights.scaled
        metrics = {
            "extrapolated": extrapolated(scaled).float().mean(),
            "weight_entropy": weight_entropy(weights.softmax).mean(),
            "weight_min": scaled.min(),
            "weight_max": scaled.max(),
            "lambda": weights.scale.detach().reshape(()),
            "codes": torch.tensor(float(len(scaled)), device=scaled.device),
        }
        if gradients is not None:
            metrics["cosine"] = cosine_scores(gradients, groups.rows).mean() / (groups.size - 1)
        return metrics
