"""Empirical risk minimisation, and what FGMix shares with it until it starts to differ."""

from landscape.algorithms.algorithm import Setup
from landscape.algorithms.composed import Composed
from landscape.fgmix import FeatureMoments


def build(setup: Setup) -> Composed:
    """The optimizer on the mean cross entropy of the pooled source minibatches (algorithms: ERM).

    It also tracks the moving moments of the latent codes, which a weight policy's prior needs from the first step on
    (FGMix paper, section 3.3), so that FGMix can branch from its trajectory.
    """
    network, config = setup.network, setup.config
    if not network.split:  # no latent codes
        return Composed(setup)
    moments = FeatureMoments(network.feature_dim, momentum=config.mixup.momentum)
    moments.to(next(network.parameters()).device)
    return Composed(setup, observe=moments.update, modules={"moments": moments})
