"""How an embedding is made: everything that can be chosen about it, apart from its checkpoint and its data."""

from dataclasses import dataclass, replace
from typing import Literal

from landscape.errors import InputError

CodeKind = Literal["a0", "a", "b", "c", "d", "own"]


@dataclass(frozen=True)
class Recipe:
    """The settings of an embedding."""

    codes: tuple[CodeKind, ...] = ("a", "own")
    """Mixup codes, all of the same groups: random interpolation (a), the run's own policy (own), copies (a0), cosines
    of codes (b) or gradients (c), and the latter extrapolated by the initial lambda (d)."""
    images: int | None = None
    """Embed at most this many images, the same share of every domain, class and split; all by default."""
    perplexity: float = 30.0
    """Perplexity of t-SNE."""
    iterations: int = 500
    """Iterations of t-SNE, after 250 with early exaggeration."""
    dimensions: tuple[int, ...] = (2, 5, 10, 20)
    """Dimensions d for the coverage of the target: the convex hulls are taken after a PCA fitted on source codes."""
    draws: int = 5
    """Independent draws of the control: random weights, scaled to the same extrapolated share."""
    neighbours: int = 10
    """Neighbours k of the domain entropy."""
    resamples: int = 2000
    """Bootstrap resamples behind an interval."""
    random_state: int = 0
    """Seed of t-SNE, of the control's weights and of the bootstrap."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "codes", tuple(dict.fromkeys(self.codes)))
        object.__setattr__(self, "dimensions", tuple(sorted(set(self.dimensions))))
        least = {"iterations": 1, "draws": 1, "neighbours": 1, "resamples": 100, "random_state": 0}
        for name, bound in least.items():
            if getattr(self, name) < bound:
                flag = name.replace("_", "-")
                raise InputError(f"--{flag} is {getattr(self, name)}; expected at least {bound}.")
        if self.images is not None and self.images < 10:
            raise InputError(f"--images is {self.images}; expected at least 10.")
        if not self.perplexity >= 1:
            raise InputError(f"--perplexity is {self.perplexity}; expected at least 1 (common: 5 to 50).")
        if self.dimensions and self.dimensions[0] < 1:
            raise InputError(f"--dimensions has {self.dimensions[0]}; expected numbers from 1.")

    def of_images(self) -> "Recipe":
        """The same for images alone, without mixup codes and coverage."""
        return replace(self, codes=(), dimensions=())


PLAIN = Recipe()
"""Figure 4's."""
