"""From a configuration's algorithm name to the object that trains."""

from landscape.algorithms.erm import ERM
from landscape.algorithms.fgmix import FGMix
from landscape.config import RunConfig
from landscape.models import Network


def build_algorithm(network: Network, config: RunConfig) -> ERM:
    """The algorithm of `config`, ready for its first step."""
    return FGMix(network, config) if config.uses_mixup else ERM(network, config)
