r"""Curvature of a linear classifier in closed form.

With z~ = (z, 1), logits ``W z~`` and ``p = softmax(W z~)``, the Hessian of the mean cross entropy is

.. math:: H = \frac1N \sum_n (\mathrm{diag}(p_n) - p_n p_n^\top) \otimes \tilde z_n \tilde z_n^\top,

the same as the GGN, since the logits are linear in the weights. Its products cost two matrix products; its trace is
``mean_n (1 - ||p_n||^2) (||z_n||^2 + 1)``.
"""

import copy

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator
from torch import Tensor, nn

from landscape.fgmix.gradients import has_closed_form
from landscape.flatness.spectrum import (
    DENSE_LIMIT,
    Curvature,
    Matrix,
    dense,
    extremes,
    lanczos_density,
    operator_of,
)

# Lanczos with exact products in float64 may go far below what a plot shows.
_TOLERANCE = 1e-9


def head_curvature(
    classifier: nn.Module,
    codes: Tensor,
    labels: Tensor,
    *,
    matrix: Matrix = "hessian",
    top: int = 3,
    trace_vectors: int = 10,
    density: bool = False,
    seed: int = 0,
) -> Curvature:
    """Curvature of the mean cross entropy in the classifier's own parameters, at fixed latent codes, in float64.

    A linear classifier has closed forms: its matrix is written out where it is small, else its eigenvalues come from
    exact products; the trace is exact. Any other classifier is measured as :meth:`Curvature.measure` does it.

    Args:
        classifier: from codes to logits; left as it is.
        codes: (N, D) latent codes.
        labels: (N,) classes.
        matrix: ``hessian`` or ``ggn``.
        top: number of eigenvalues.
        trace_vectors: number of random vectors behind the trace, where it has no closed form.
        density: measure the spectral density too.
        seed: of random vectors.
    """
    own = copy.deepcopy(classifier).to("cpu", torch.float64).eval()
    codes, labels = codes.detach().to("cpu", torch.float64), labels.cpu()
    data, loss = [(codes, labels)], nn.CrossEntropyLoss()
    if not has_closed_form(own):
        found = Curvature.measure(
            own,
            loss,
            data,
            matrix=matrix,
            top=top,
            trace_vectors=trace_vectors,
            density=density,
            seed=seed,
            tolerance=_TOLERANCE,
        )
        return Curvature(**{**vars(found), "scope": "classifier"})
    with torch.no_grad():
        p = torch.softmax(own(codes), dim=1).numpy()
    z = np.concatenate([codes.numpy(), np.ones((len(codes), 1))], axis=1)
    size = p.shape[1] * z.shape[1]
    if size <= DENSE_LIMIT:
        solved = dense(_written(p, z), top=top, density=density) | {"method": "closed form"}
    else:
        values, residuals, _ = extremes(_products(p, z), top=top, both=False, seed=seed, tolerance=_TOLERANCE)
        curve = np.empty((2, 0))
        if density:
            with operator_of(own, loss, list(own.parameters()), data, matrix="ggn", check=False) as operator:
                curve = lanczos_density(operator, 0.0, float(values[0]), seed=seed)
        solved = {
            "eigenvalues": values,
            "residuals": residuals,
            # Equal changes of all logits change no probability, and the loss is convex.
            "smallest": 0.0,
            "trace": float(np.mean((1 - np.square(p).sum(1)) * np.square(z).sum(1))),
            "trace_error": 0.0,
            "density": curve,
            "parameters": size,
            "method": "closed form",
        }
    return Curvature(**solved, matrix=matrix, scope="classifier", examples=len(codes))


def _written(p: np.ndarray, z: np.ndarray) -> np.ndarray:
    """The whole matrix, (K (D + 1))^2."""
    classes, width = p.shape[1], z.shape[1]
    blocks = np.empty((classes, width, classes, width))
    for a in range(classes):
        for b in range(classes):
            weight = p[:, a] * ((a == b) - p[:, b])
            blocks[a, :, b] = (z * weight[:, None]).T @ z / len(z)
    result: np.ndarray = blocks.reshape(classes * width, classes * width)
    return result


def _products(p: np.ndarray, z: np.ndarray) -> LinearOperator:
    """H v for any v, without H."""
    size = p.shape[1] * z.shape[1]

    def matvec(vector: np.ndarray) -> np.ndarray:
        change = z @ vector.reshape(p.shape[1], z.shape[1]).T
        slope = p * (change - (p * change).sum(1, keepdims=True))
        product: np.ndarray = (slope.T @ z / len(z)).reshape(-1)
        return product

    return LinearOperator((size, size), matvec=matvec, dtype=np.float64)
