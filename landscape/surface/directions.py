"""Planes that directions span: principal components of a path, random ones (Li et al. 2018), Hessian eigenvectors."""

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from landscape.errors import InputError
from landscape.flatness.eigenvectors import Eigenvectors
from landscape.seeding import numpy_generator
from landscape.surface.kept import kept_eigenvectors
from landscape.surface.plane import Plane
from landscape.weights import Weights, combine, dot, norm, subtract

Load = Callable[[], Weights]


def pca_plane(path: Sequence[Load], *, label: str = "w1") -> Plane:
    """The plane of the two largest principal components of a path, through its last point (Li et al. 2018, section 7).

    The Gram matrix of the displacements ``theta_t - theta_T`` is enough: with its centred eigenvectors ``v_k``,
    ``e_k`` is ``sum_t v_kt (theta_t - theta_T)``, normalised. Three weight vectors are in memory at a time,
    however long the path is. The signs are such that the path's first point has positive coordinates.

    Args:
        path: functions that load the weights of each point, in order.
        label: name of the last point.

    Raises:
        InputError: fewer than three points, or points that all lie on one line.
    """
    if len(path) < 3:
        raise InputError(f"the path has {len(path)} recorded points; expected at least 3 for principal components.")
    # scikit-learn's PCA takes the whole path as one matrix: 5 GB for 26 points of a ResNet-50 in float64.
    last = path[-1]()
    count = len(path)
    gram = np.zeros((count, count))
    for i in range(count - 1):
        first = subtract(path[i](), last)
        gram[i, i] = dot(first, first)
        for j in range(i):
            gram[i, j] = gram[j, i] = dot(first, subtract(path[j](), last))
    centring = np.eye(count) - 1 / count
    values, vectors = np.linalg.eigh(centring @ gram @ centring)
    if values[-2] <= 1e-10 * values[-1]:
        raise InputError("the points of the path lie on one line, so they span no plane; use a longer path.")
    axes: list[dict[str, Tensor]] = []
    for k in (-1, -2):
        axis: dict[str, Tensor] | None = None
        for share, load in zip((centring @ vectors[:, k])[:-1], path[:-1], strict=True):
            step = subtract(load(), last)
            axis = combine((share, step)) if axis is None else combine((1.0, axis), (share, step))
        assert axis is not None
        for other in axes:  # what rounding left
            axis = combine((1.0, axis), (-dot(axis, other), other))
        axes.append(combine((1 / norm(axis), axis)))
    start = subtract(path[0](), last)
    e1, e2 = (combine((math.copysign(1.0, dot(start, axis)), axis)) for axis in axes)
    origin = {name: tensor.detach().double() for name, tensor in last.items()}
    return Plane(origin, e1, e2, ((0.0, 0.0),), (label,), "pca")


def random_plane(weights: Weights, *, seed: int, label: str = "w1") -> Plane:
    """A plane of two random filter-normalised directions (Li et al. 2018, section 4).

    Each filter (output channel, neuron) of a Gaussian direction gets the norm of the filter it perturbs; biases and
    batch norm's parameters stay. The second direction is made orthogonal to the first and both get unit length,
    so that coordinates are distances in weight space as on every plane; ``reach`` is the length of the first
    one, the paper's step 1.

    Args:
        weights: the point in the middle.
        seed: of the directions.
        label: its name.

    Raises:
        InputError: the network has no weights of two or more dimensions.
    """
    generator = numpy_generator(seed, "evaluation", "random directions")
    first, second = (_filter_normalised(weights, generator) for _ in range(2))
    reach = norm(first)
    if reach == 0:
        raise InputError("the network has no filters other than zero to normalise random directions by.")
    e1 = combine((1 / reach, first))
    second = combine((1.0, second), (-dot(second, e1), e1))
    e2 = combine((1 / norm(second), second))
    origin = {name: tensor.detach().double() for name, tensor in weights.items()}
    return Plane(origin, e1, e2, ((0.0, 0.0),), (label,), "random", reach)


def hessian_plane(
    network: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    *,
    seed: int,
    label: str = "w1",
    keep: Path | None = None,
    inputs: str = "",
) -> Plane:
    """The plane of the Hessian's eigenvectors with the two largest eigenvalues, where the loss rises fastest.

    Along ``e1`` the loss is ``L + lambda_1 x^2 / 2`` to second order at a minimum. ``reach`` is the distance at which
    that has risen by one nat: ``sqrt(2 / lambda_1)``.

    Args:
        network: at the point in the middle; it comes back as it was.
        batches: normalised images with their labels; the loss is the mean cross entropy over all of them.
        seed: of the vector that the iteration starts from.
        label: name of the point.
        keep: a file that keeps the eigenvectors: the same inputs find them there.
        inputs: hash of what they depend on.

    Raises:
        InputError: the largest eigenvalue is not positive, or the iteration does not converge.
    """
    data = list(batches)
    found = kept_eigenvectors(
        keep, inputs, lambda: Eigenvectors.measure(network, nn.CrossEntropyLoss(), data, count=2, seed=seed)
    )
    first, second = (float(value) for value in found.values)
    if not first > 0:
        raise InputError(
            f"the Hessian's largest eigenvalue at {label} is {first:.3g}: the loss rises in no direction, so there is "
            "no basin to look at; use another checkpoint, or --plane random."
        )
    images = sum(len(labels) for _, labels in data)
    about = {"eigenvalues": [first, second], "images": images, "notes": list(found.notes)}
    origin = {name: parameter.detach().double().cpu() for name, parameter in network.named_parameters()}
    # In the network's order, which a file does not keep: sums over parameters depend on it in their last bits.
    e1, e2 = ({name: vector[name] for name in origin} for vector in found.vectors)
    return Plane(origin, e1, e2, ((0.0, 0.0),), (label,), "hessian", math.sqrt(2 / first), about)


def _filter_normalised(weights: Weights, generator: np.random.Generator) -> dict[str, Tensor]:
    direction = {}
    for name, tensor in weights.items():
        exact = tensor.detach().double().cpu()
        if tensor.dim() < 2:
            direction[name] = torch.zeros_like(exact)
            continue
        drawn = torch.from_numpy(generator.standard_normal(tensor.shape))
        axes = tuple(range(1, tensor.dim()))
        length, own = (torch.linalg.vector_norm(each, dim=axes, keepdim=True) for each in (exact, drawn))
        direction[name] = drawn * (length / own)
    return direction
