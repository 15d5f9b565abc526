"""The settings of FGMix and of its variants. No torch in here: ``--help`` has to answer at once."""

from dataclasses import dataclass
from typing import Literal

from landscape.algorithms.method import Options
from landscape.errors import InputError
from landscape.fields import normalise, option


@dataclass(frozen=True)
class MixupConfig(Options):
    """The mixup of latent codes and its weight policy (FGMix and its variants A-F)."""

    start: int = option(3000, least=1)
    """T0: the first step that uses mixup; the steps before it are plain ERM (section 3.3)."""
    codes: int = option(32, least=1)
    """M: mixup codes a step (section 4.1)."""
    domains_per_mixup: int = option(0, least=0)
    """Sources mixed into one code, drawn anew for every code; 0 means all of them (section 3.4)."""
    groups: Literal["anchor", "uniform"] = "anchor"
    """How the class of a code is drawn: that of a random original sample, or uniform over the classes that all
    sources have in the batch. The paper is silent."""
    weighting: Literal["pooled", "sum"] = "pooled"
    """Eq. 2: the mean over original and mixup codes together, or the sum of the two means. The formula pools."""
    code_weight: float = option(1.0, least=0)
    """Weight of a mixup code's loss relative to an original's."""
    concentration: float = option(1.0, above=0)
    """Variant A: concentration of the Dirichlet distribution. The paper is silent."""
    scale_init: float = option(3.0, above=0)
    """Initial scaling factor lambda of Eq. 5; the fixed one of variant D. Searched over 1, 3, 5, 8."""
    scale_min: float | None = None
    """Lower bound for the learned lambda; the paper states none."""
    policy_lr: float = option(1e-3, above=0)
    """Learning rate of the policy and of the discriminator. Searched over 1e-4, 1e-3, 1e-2."""
    eta: float = option(0.1, least=0)
    """Weight of the adversarial loss in Eq. 8. Searched over 0.01, 0.03, 0.1, 0.3."""
    radius: float = option(1.0, above=0)
    """gamma of Eq. 6: the distance walked in the classifier's weight space. The paper's values are lost."""
    radius_relative: bool = False
    """Take the radius as a fraction of the classifier's norm."""
    directions: int = option(100, least=2)
    """Random directions of Eq. 6, drawn as pairs (+u, -u)."""
    flat_loss: Literal["signed", "squared", "absolute"] = "signed"
    """The difference in Eq. 6. The text says "loss difference"."""
    flat_data: Literal["pooled", "generated"] = "pooled"
    """Codes that Eq. 6 averages over: original and generated (section 1), or generated only."""
    activation: Literal["tanh", "relu", "leaky_relu"] = "tanh"
    """Activation of the compatibility score. Its name is lost from the paper."""
    depth: Literal[1, 2] = 2
    """Hidden layers of the compatibility score, 64 wide each ("hidden sizes for both layers")."""
    hidden: int = option(64, least=1)
    """Width of the policy's and the discriminator's hidden layers."""
    gradient_norm: Literal["none", "l2", "layernorm"] = "none"
    """Normalisation of the gradients before the compatibility score. The paper states none."""
    generator_loss: Literal["saturating", "non-saturating"] = "saturating"
    """Policy side of Eq. 7: log(1 - D) as written, or -log D."""
    momentum: float = option(0.9, least=0, below=1)
    """Momentum of the moving averages behind the prior, tracked from the first step. The paper is silent."""

    def __post_init__(self) -> None:
        normalise(self, "--mixup.")
        if self.directions % 2:
            raise InputError(f"--mixup.directions is {self.directions}; expected an even number: they come in pairs.")
        if self.domains_per_mixup == 1:
            raise InputError("--mixup.domains-per-mixup is 1; expected 0 (all sources) or at least 2.")
