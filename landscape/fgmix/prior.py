"""The prior over latent codes and the discriminator that keeps mixup codes near it (paper, section 3.3, Eq. 7).

The prior is a Gaussian with the moving averages of the source minibatches' means and variances. The discriminator
tells its samples from mixup codes; the policy tries to fool it. A weakness to know and to log: codes after a ReLU
are not negative, but about a third of the prior's coordinates are, so the discriminator can win on sign alone.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from landscape.errors import InputError
from landscape.fgmix.compatibility import ACTIVATIONS, ActivationName

GeneratorLoss = Literal["saturating", "non-saturating"]


class FeatureMoments(nn.Module):
    """Moving averages of the latent codes' mean and variance: the prior ``N(mu, diag s^2)``.

    ``mu <- m mu + (1 - m) mean(z)`` and the same for the biased variance, coordinate by coordinate over the pooled
    minibatches of all sources; the first minibatch initialises both. The paper does not give the momentum m.

    Args:
        feature_dim: D.
        momentum: m.
    """

    mean: Tensor
    variance: Tensor
    updates: Tensor

    def __init__(self, feature_dim: int, *, momentum: float = 0.9):
        super().__init__()
        self.momentum = momentum
        self.register_buffer("mean", torch.zeros(feature_dim))
        self.register_buffer("variance", torch.ones(feature_dim))
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def update(self, codes: Tensor) -> None:
        """Take one minibatch of latent codes (N, D) into the averages."""
        variance, mean = torch.var_mean(codes.to(self.mean.dtype), dim=0, correction=0)
        # The first minibatch replaces the initial values: its old ones count for nothing.
        keep = self.momentum * (self.updates > 0).to(self.mean.dtype)
        self.mean.mul_(keep).add_((1 - keep) * mean)
        self.variance.mul_(keep).add_((1 - keep) * variance)
        self.updates += 1

    @torch.no_grad()
    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw (count, D) codes from the prior.

        Args:
            count: how many.
            generator: source of randomness, on any device.

        Raises:
            InputError: no minibatch has been seen.
        """
        if not self.updates:
            raise InputError("the prior has seen no minibatch; update it with latent codes before sampling from it.")
        normals = torch.randn(
            count, len(self.mean), dtype=self.mean.dtype, device=generator.device, generator=generator
        )
        return self.mean + self.variance.sqrt() * normals.to(self.mean.device)


class Discriminator(nn.Module):
    """Tells codes of the prior (1) from mixup codes (0): a two-layer MLP D-64-1.

    It returns the logit, whose sigmoid is the probability that the code is from the prior. The paper names no
    activation; it is that of the compatibility score.

    Args:
        feature_dim: D.
        hidden: width of the hidden layer.
        activation: behind it.
    """

    def __init__(self, feature_dim: int, *, hidden: int = 64, activation: ActivationName = "tanh"):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(feature_dim, hidden), ACTIVATIONS[activation](), nn.Linear(hidden, 1))

    def forward(self, codes: Tensor) -> Tensor:
        """(N, D) -> (N,) logits."""
        return self.layers(codes).squeeze(-1)


def adversarial_loss(discriminator: nn.Module, generated: Tensor, *, form: GeneratorLoss = "saturating") -> Tensor:
    """L_adv on the policy's side: small where the discriminator takes mixup codes for the prior's (Eq. 7).

    The gradient reaches `generated` only; the discriminator is a constant.

    >>> fooled, undecided = nn.Linear(2, 1), nn.Linear(2, 1)
    >>> _ = [nn.init.zeros_(parameter) for parameter in (fooled.weight, undecided.weight, undecided.bias)]
    >>> _ = nn.init.constant_(fooled.bias, 5.0)
    >>> [round(float(adversarial_loss(each, torch.ones(4, 2))), 4) for each in (fooled, undecided)]
    [-5.0067, -0.6931]

    Args:
        discriminator: codes -> logits.
        generated: (M, D) mixup codes, with the policy's graph.
        form: ``saturating`` E[log(1 - Dis(z~))], as written; ``non-saturating`` -E[log Dis(z~)].

    Returns:
        Scalar, in nats.
    """
    constants = {name: parameter.detach() for name, parameter in discriminator.named_parameters()}
    logits = functional_call(discriminator, constants, (generated,))
    if form == "saturating":
        return F.logsigmoid(-logits).mean()
    return -F.logsigmoid(logits).mean()


def discriminator_loss(discriminator: nn.Module, prior_samples: Tensor, generated: Tensor) -> Tensor:
    """What the discriminator minimises, ``-E[log Dis(z)] - E[log(1 - Dis(z~))]``: binary cross entropy (Eq. 7).

    >>> undecided = nn.Linear(2, 1)
    >>> _ = [nn.init.zeros_(parameter) for parameter in undecided.parameters()]
    >>> round(float(discriminator_loss(undecided, torch.ones(3, 2), torch.zeros(3, 2)).detach()), 4)  # 2 log 2
    1.3863

    Args:
        discriminator: codes -> logits.
        prior_samples: (M, D) draws from the prior, label 1.
        generated: (M, D) mixup codes, label 0; treated as constants.

    Returns:
        Scalar, in nats: the sum of the two means.
    """
    real, fake = discriminator(prior_samples.detach()), discriminator(generated.detach())
    return -F.logsigmoid(real).mean() - F.logsigmoid(-fake).mean()


@torch.no_grad()
def discriminator_accuracy(discriminator: nn.Module, codes: Tensor, *, real: bool) -> Tensor:
    """Share of codes that the discriminator classifies rightly: scalar in [0, 1].

    >>> first = nn.Linear(2, 1, bias=False)
    >>> _ = first.weight.data.copy_(torch.tensor([[1.0, 0.0]]))
    >>> codes = torch.tensor([[2.0, 0.0], [-1.0, 0.0], [3.0, 0.0], [1.0, 0.0]])
    >>> float(discriminator_accuracy(first, codes, real=True)), float(discriminator_accuracy(first, codes, real=False))
    (0.75, 0.25)

    Args:
        discriminator: codes -> logits.
        codes: (N, D).
        real: whether the codes are from the prior (or are source codes), rather than mixtures.
    """
    return ((discriminator(codes) > 0) == real).to(codes.dtype).mean()
