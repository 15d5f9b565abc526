"""How flatness and curvature are measured: everything that can be chosen, apart from checkpoints and data."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, TypeVar, get_args

import tyro

from landscape.errors import InputError, unknown_choice

Scope = Literal["full", "classifier"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
Matrix = Literal["hessian", "ggn"]
Statistic = Literal["squared", "signed", "absolute"]
Choice = TypeVar("Choice", bound=str)


@dataclass(frozen=True)
class Recipe:
    """The settings of flatness curves.

    Raises:
        InputError: an unknown choice or no scope, gammas that are no distances, or fewer than two directions.
    """

    gammas: tuple[float, ...] | None = None
    """Distances in weight space, for every scope. By default a pilot chooses them: equal steps up to where the first
    method's loss on the original images changes by --level in the median of five directions."""
    level: float = 1.0
    """Loss change in nats at the pilot's largest gamma."""
    steps: int = 5
    """Number of gammas of the pilot."""
    directions: int = 50
    """Random unit directions. The FGMix paper's Figure 5 has 50, SWAD's figure 100."""
    statistic: Statistic = "squared"
    """What is drawn and printed: the mean squared gap (FGMix paper), the mean gap (SWAD), or the mean absolute gap. All
    are in the result."""
    scope: tuple[Scope, ...] = SCOPES
    """What is moved: all parameters, or the classifier's only (exact and fast)."""
    direction_seed: int = 0
    """Trial seed of the analysis: directions and subset."""

    def __post_init__(self) -> None:
        if self.gammas is not None:
            object.__setattr__(self, "gammas", _distances(self.gammas))
        object.__setattr__(self, "scope", _chosen("scope", self.scope, SCOPES))
        if self.statistic not in get_args(Statistic):
            raise unknown_choice("statistic", self.statistic, get_args(Statistic))
        if self.directions < 2:
            raise InputError(f"got {self.directions} directions; expected at least 2: the interval is over directions.")
        if self.steps < 1 or not self.level > 0:
            raise InputError(
                f"got {self.steps} steps and a level of {self.level}; expected at least 1 step and a level above 0."
            )

    def of_inputs(self) -> tuple[object, ...]:
        """What the samples depend on, for a hash. The number of directions is none: more go on from fewer."""
        return ("pilot", float(self.level), self.steps) if self.gammas is None else ("given", *self.gammas)


@dataclass(frozen=True)
class CurvatureRecipe:
    """The settings of curvature along runs.

    Raises:
        InputError: an unknown choice or none, or numbers that make no sense.
    """

    matrix: tuple[Matrix, ...] = ("hessian",)
    """Curvature: the Hessian, or the Gauss-Newton matrix."""
    images: int = 64
    """Curvature: training images for the full network, stratified. The classifier's takes all."""
    top: int = 3
    """Curvature: number of largest eigenvalues."""
    trace_vectors: int = 10
    """Curvature: random vectors behind the trace and its standard error."""
    density: bool = True
    """Curvature: the spectral density at the end of every path."""
    ends_only: bool = False
    """Curvature: only the checkpoints given, not those that led to them."""
    # The command has flags for these two already.
    scope: Annotated[tuple[Scope, ...], tyro.conf.Fixed, tyro.conf.Suppress] = SCOPES
    """What is moved: all parameters, or the classifier's only."""
    direction_seed: Annotated[int, tyro.conf.Fixed, tyro.conf.Suppress] = 0
    """Of images and random vectors."""
    at_steps: Annotated[tuple[int, ...] | None, tyro.conf.Fixed, tyro.conf.Suppress] = None
    """Recorded checkpoints of every path, whose last one is always taken; None: all of them."""
    tolerance: Annotated[float | None, tyro.conf.Fixed, tyro.conf.Suppress] = None
    """Relative accuracy at which Lanczos stops for the full network; None: the default."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "scope", tuple(sorted(_chosen("scope", self.scope, SCOPES), key=SCOPES.index)))
        object.__setattr__(self, "matrix", _chosen("matrix", self.matrix, get_args(Matrix)))
        if self.top < 1 or self.trace_vectors < 2:
            raise InputError(f"got {self.top} eigenvalues and {self.trace_vectors} vectors; expected at least 1 and 2.")
        if self.images < 1:
            raise InputError(f"--images is {self.images}; expected a number of images from 1.")

    @property
    def numbers(self) -> dict[str, int]:
        """What is recorded of them, and hashed."""
        return {"top": self.top, "trace_vectors": self.trace_vectors, "seed": self.direction_seed}


def _chosen(kind: str, given: Sequence[Choice], known: Sequence[str]) -> tuple[Choice, ...]:
    if not given:
        raise InputError(f"got no {kind}; expected one or both of: {', '.join(known)}.")
    for each in given:
        if each not in known:
            raise unknown_choice(kind, each, known)
    return tuple(given)


def _distances(gammas: Sequence[float]) -> tuple[float, ...]:
    """Given distances in ascending order, without repetitions and without 0, whose samples are 0 anyway."""
    values = sorted({float(gamma) for gamma in gammas} - {0.0})
    if not values or not all(math.isfinite(value) and value > 0 for value in values):
        raise InputError(f"gammas are {list(gammas)}; expected distances above 0 (--gammas 0.5 1 2).")
    return tuple(values)


PLAIN = Recipe()
"""Curves of both scopes, at a pilot's gammas."""
ALONG = CurvatureRecipe()
"""The Hessian at every recorded checkpoint."""
