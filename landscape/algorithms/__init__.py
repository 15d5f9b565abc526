"""One training objective a file, one small interface, one registry."""

from landscape.algorithms.erm import ERM
from landscape.algorithms.fgmix import FGMix
from landscape.algorithms.registry import build_algorithm

__all__ = ["ERM", "FGMix", "build_algorithm"]
