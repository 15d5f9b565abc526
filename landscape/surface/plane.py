"""The plane through three points of weight space (FGMix paper, Appendix D; Izmailov et al. 2018)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import Any, Literal

import torch
from torch import Tensor

from landscape.errors import InputError
from landscape.weights import Combination, Weights, dot, norm

Point = tuple[float, float]
PlaneKind = Literal["through", "pca", "random", "hessian"]

# Two checkpoints nearer than this (relative to their norm) are the same point: float32 resolves no more.
_RESOLUTION = 2.0**-23


@dataclass(frozen=True)
class Plane:
    r"""A plane in weight space: an origin and two orthonormal directions.

    ``theta(x, y) = theta_1 + x e_1 + y e_2``, in the space of parameters only (buffers are no coordinates).
    All arithmetic is float64: float32 dot products over millions of weights leave the axes up to 6e-2
    from orthogonal. A plane through three checkpoints holds no vectors of its own: it computes each tensor from
    theirs, which may not change meanwhile.

    Attributes:
        origin: ``theta_1``, float64.
        e1: unit vector towards the second anchor, float64.
        e2: unit vector orthogonal to ``e1`` that completes the plane of the three anchors, float64.
        anchors: coordinates of the three anchors: ``(0, 0)``, ``(x2, 0)``, ``(x3, y3)`` with ``x2, y3 > 0``; of the
            origin alone for a plane of directions (:mod:`landscape.surface.directions`).
        labels: names of the anchors.
        kind: what spans the plane.
        reach: how far a plane of directions is looked at by default, in units of weight-space distance.
        about: what else there is to say of its directions, such as eigenvalues.
    """

    origin: Weights
    e1: Weights
    e2: Weights
    anchors: tuple[Point, ...]
    labels: tuple[str, ...] = ("w1", "w2", "w3")
    kind: PlaneKind = "through"
    reach: float = 0.0
    about: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def through(cls, a: Weights, b: Weights, c: Weights, *, labels: Sequence[str] = ("w1", "w2", "w3")) -> "Plane":
        """The plane through three checkpoints; `a` is its origin and `b` lies on its first axis.

        ``u = b - a``, ``v = (c - a) - <c - a, u> / <u, u> u``, ``e1 = u / |u|``, ``e2 = v / |v|``
        (FGMix paper, Appendix D).

        >>> a, b, c = ({"w": torch.tensor(at)} for at in ([1.0, 1.0, 0.0], [3.0, 1.0, 0.0], [2.0, 5.0, 0.0]))
        >>> plane = Plane.through(a, b, c)
        >>> plane.anchors, plane.e2["w"].tolist(), round(plane.angle, 2)
        (((0.0, 0.0), (2.0, 0.0), (1.0, 4.0)), [0.0, 1.0, 0.0], 75.96)

        Args:
            a: weights by parameter name, first anchor. All three are read again whenever the plane is: give copies
                (:func:`~landscape.weights.weights_of`) of a network that goes on training.
            b: second anchor, with the same names and shapes.
            c: third anchor.
            labels: what to call the three in messages and figures.

        Raises:
            InputError: two checkpoints are identical, the three are collinear, they are of different
                architectures, or one holds a value that is not finite.
        """
        names = _three(labels)
        anchors = dict(zip(names, (a, b, c), strict=True))
        for name, weights in anchors.items():
            _check_same_architecture(_shapes(a), weights, names[0], name)
            _check_finite(weights, name)
        for first, second in combinations(names, 2):
            _check_distinct(anchors[first], anchors[second], first, second)

        u = Combination((1.0, b), (-1.0, a))
        x2 = norm(u)
        e1 = Combination((1.0 / x2, u))
        w = Combination((1.0, c), (-1.0, a))
        v = Combination((1.0, w), (-dot(w, e1), e1))
        # A second pass removes what rounding left of e1 in v when the three anchors are nearly collinear.
        v = Combination((1.0, v), (-dot(v, e1), e1))
        y3 = norm(v)
        length = norm(w)
        if y3 <= max(1e-6 * length, _RESOLUTION * norm(c)):
            raise InputError(
                f"{names[0]}, {names[1]} and {names[2]} lie on one line (the directions from the first to the other "
                f"two are {_degrees(dot(w, e1), y3):.2g} degrees apart), so they span no plane. Replace one of them, "
                "for example by a checkpoint of another run."
            )
        return cls(
            origin=Combination((1.0, a)),
            e1=e1,
            e2=Combination((1.0 / y3, v)),
            anchors=((0.0, 0.0), (x2, 0.0), (dot(w, e1), y3)),
            labels=names,
        )

    @cached_property
    def _shapes(self) -> dict[str, torch.Size]:
        return _shapes(self.origin)

    @property
    def angle(self) -> float:
        """Angle in degrees, at the first anchor, between the directions to the other two; NaN if there are none."""
        if len(self.anchors) < 3:
            return math.nan
        return _degrees(*self.anchors[2])

    def at(self, x: float, y: float) -> dict[str, Tensor]:
        """The weights ``theta_1 + x e_1 + y e_2`` in float64.

        At an anchor's coordinates these are the anchor's weights to float64 rounding, hence its very
        values once they are rounded to float32.

        >>> a, b, c = ({"w": torch.tensor(at)} for at in ([1.0, 1.0, 0.0], [3.0, 1.0, 0.0], [2.0, 5.0, 0.0]))
        >>> Plane.through(a, b, c).at(0.5, -1.0)
        {'w': tensor([1.5000, 0.0000, 0.0000], dtype=torch.float64)}

        Args:
            x: coordinate along ``e1``, in units of weight-space distance.
            y: coordinate along ``e2``.
        """
        return {
            name: torch.add(origin, self.e1[name], alpha=x).add_(self.e2[name], alpha=y)
            for name, origin in self.origin.items()
        }

    def project(self, weights: Weights) -> tuple[float, float, float]:
        """The coordinates ``(x, y)`` of the nearest point of the plane, and the distance to it.

        ``x = <theta - theta_1, e_1>``, ``y = <theta - theta_1, e_2>``,
        ``residual = |theta - theta_1 - x e_1 - y e_2|``, in the units of weight space.

        >>> a, b, c = ({"w": torch.tensor(at)} for at in ([1.0, 1.0, 0.0], [3.0, 1.0, 0.0], [2.0, 5.0, 0.0]))
        >>> Plane.through(a, b, c).project({"w": torch.tensor([2.0, 3.0, 7.0])})
        (1.0, 2.0, 7.0)

        Raises:
            InputError: `weights` is of another architecture, or not finite.
        """
        x, y, out = self.decompose(weights)
        return x, y, norm(out)

    def decompose(self, weights: Weights) -> tuple[float, float, Weights]:
        """The same as :meth:`project`, with the out-of-plane part as a vector, computed from `weights` when read.

        >>> a, b, c = ({"w": torch.tensor(at)} for at in ([1.0, 1.0, 0.0], [3.0, 1.0, 0.0], [2.0, 5.0, 0.0]))
        >>> x, y, out = Plane.through(a, b, c).decompose({"w": torch.tensor([2.0, 3.0, 7.0])})
        >>> x, y, out["w"].tolist()
        (1.0, 2.0, [0.0, 0.0, 7.0])

        Raises:
            InputError: `weights` is of another architecture, or not finite.
        """
        _check_same_architecture(self._shapes, weights, self.labels[0], "the checkpoint to project")
        _check_finite(weights, "the checkpoint to project")
        displacement = Combination((1.0, weights), (-1.0, self.origin))
        x, y = dot(displacement, self.e1), dot(displacement, self.e2)
        return x, y, Combination((1.0, displacement), (-x, self.e1), (-y, self.e2))

    def barycentric(self, x: float, y: float) -> tuple[float, float, float]:
        """Coefficients, with sum 1, that write the point as a combination of the three anchors.

        >>> a, b, c = ({"w": torch.tensor(at)} for at in ([1.0, 1.0, 0.0], [3.0, 1.0, 0.0], [2.0, 5.0, 0.0]))
        >>> Plane.through(a, b, c).barycentric(1.0, 2.0)  # between the third and the middle of the others
        (0.25, 0.25, 0.5)

        Args:
            x: coordinate along ``e1``.
            y: coordinate along ``e2``.

        Raises:
            InputError: the plane has no three anchors.
        """
        if len(self.anchors) != 3:
            raise InputError(f"this plane ({self.kind}) has no three anchors to write a point as a combination of.")
        (_, _), (x2, _), (x3, y3) = self.anchors
        third = y / y3
        second = (x - third * x3) / x2
        return 1.0 - second - third, second, third


def _three(labels: Sequence[str]) -> tuple[str, str, str]:
    first, second, third = labels
    # The labels are keys: two anchors may not share one.
    if len({first, second, third}) < 3:
        return f"{first} (1)", f"{second} (2)", f"{third} (3)"
    return first, second, third


def _degrees(x: float, y: float) -> float:
    return math.degrees(math.atan2(y, x))


def _shapes(weights: Weights) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in weights.items()}


def _check_same_architecture(a: Mapping[str, torch.Size], b: Weights, label_a: str, label_b: str) -> None:
    said = f"{label_a} and {label_b} are of different architectures"
    hint = "A plane needs three checkpoints of one network."
    for name, shape in a.items():
        if name not in b:
            raise InputError(f"{said}: {name} is missing from {label_b}. {hint}")
        if shape != b[name].shape:
            shapes = f"{tuple(shape)} in {label_a} and {tuple(b[name].shape)} in {label_b}"
            raise InputError(f"{said}: {name} has shape {shapes}. {hint}")
    for name in b:
        if name not in a:
            raise InputError(f"{said}: {name} is missing from {label_a}. {hint}")


def _check_finite(weights: Weights, label: str) -> None:
    for name, tensor in weights.items():
        if not bool(torch.isfinite(tensor).all()):
            raise InputError(
                f"{label} has values that are not finite in {name}; expected a checkpoint from before the training "
                "diverged."
            )


def _check_distinct(a: Weights, b: Weights, label_a: str, label_b: str) -> None:
    if norm(Combination((1.0, a), (-1.0, b))) <= _RESOLUTION * 1e-3 * norm(a):
        raise InputError(
            f"{label_a} and {label_b} have identical weights, so the three checkpoints span no plane. "
            "Give three different ones."
        )
