"""How an association is measured: everything that can be chosen about it, apart from its checkpoint and its data."""

from dataclasses import dataclass
from typing import Literal, get_args

from landscape.errors import InputError, unknown_choice

Part = Literal["in", "out", "all"]
FEWEST_UNTRAINED = 30
"""Fewer untrained scores cannot place an observed value."""


@dataclass(frozen=True)
class Recipe:
    """The settings of an association.

    Raises:
        InputError: too few of anything to be compared, or an unknown part of the images.
    """

    pairs: int = 200
    """Same-class pairs of images for every ordered pair of source domains."""
    groups: int = 200
    """Groups of one same-class image per source, for the scores within groups."""
    null: int = 100
    """Random initialisations of S to compare with, at least 30."""
    images: Part = "in"
    """Draw among the training images (in), the held-out ones (out) or all."""
    draw: int = 0
    """Another number draws other pairs, groups and initialisations."""
    resamples: int = 2000
    """Bootstrap samples for the intervals."""

    def __post_init__(self) -> None:
        for name, least in (("pairs", 10), ("groups", 10), ("null", FEWEST_UNTRAINED), ("resamples", 200)):
            if getattr(self, name) < least:
                raise InputError(f"--{name} is {getattr(self, name)}; expected at least {least}.")
        if self.images not in get_args(Part):
            raise unknown_choice("part of the images", self.images, get_args(Part))


PLAIN = Recipe()
"""The paper's 200 pairs, among the training images."""
