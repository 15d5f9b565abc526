"""FGMix, as pure functions in the order of the paper.

gradients -> groups -> compatibility -> mixing: from classifier gradients to mixup codes (sections 3.1, 3.2);
flatness, prior -> policy: what the weight policy learns from (section 3.3).
"""

from landscape.fgmix.compatibility import CompatibilityNetwork
from landscape.fgmix.flatness import absolute_radius, flatness_loss, flatness_loss_explicit
from landscape.fgmix.gradients import (
    Gradients,
    LinearGradients,
    classifier_gradients,
    dense_gradients,
    linear_gradients,
    pairwise_cosine,
)
from landscape.fgmix.groups import Groups, anchored_groups, sample_groups
from landscape.fgmix.mixing import (
    cosine_scores,
    cosine_weights,
    dirichlet_weights,
    extrapolated,
    extrapolation_onset,
    mix_codes,
    one_hot_weights,
    pair_cosines,
    scale_and_shift,
    score_sums,
    softmax_weights,
    weight_entropy,
)
from landscape.fgmix.policy import (
    VARIANTS,
    PolicyLoss,
    PolicyWeights,
    Variant,
    WeightPolicy,
    backward_parts,
    policy_loss,
)
from landscape.fgmix.prior import (
    Discriminator,
    FeatureMoments,
    adversarial_loss,
    discriminator_accuracy,
    discriminator_loss,
)

__all__ = [
    "VARIANTS",
    "CompatibilityNetwork",
    "Discriminator",
    "FeatureMoments",
    "Gradients",
    "Groups",
    "LinearGradients",
    "PolicyLoss",
    "PolicyWeights",
    "Variant",
    "WeightPolicy",
    "absolute_radius",
    "adversarial_loss",
    "anchored_groups",
    "backward_parts",
    "classifier_gradients",
    "cosine_scores",
    "cosine_weights",
    "dense_gradients",
    "dirichlet_weights",
    "discriminator_accuracy",
    "discriminator_loss",
    "extrapolated",
    "extrapolation_onset",
    "flatness_loss",
    "flatness_loss_explicit",
    "linear_gradients",
    "mix_codes",
    "one_hot_weights",
    "pair_cosines",
    "pairwise_cosine",
    "policy_loss",
    "sample_groups",
    "scale_and_shift",
    "score_sums",
    "softmax_weights",
    "weight_entropy",
]
