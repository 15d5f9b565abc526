r"""Curvature of a loss at one point: top eigenvalues, trace and spectral density of its Hessian or of its GGN.

The Gauss-Newton matrix (GGN) leaves out the network's own second derivatives; for a linear classifier the two agree.

    at = Curvature.measure(model, torch.nn.CrossEntropyLoss(), loader)
    at.eigenvalues, at.trace, at.trace_error
"""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from landscape.errors import InputError, unknown_choice
from landscape.flatness.recipe import Matrix, Scope
from landscape.seeding import numpy_generator, torch_seed

if TYPE_CHECKING:
    import torch
    from scipy.sparse.linalg import LinearOperator as Operator
    from torch import nn

Batches = list[tuple["torch.Tensor", "torch.Tensor"]]
Found = TypeVar("Found")

DENSE_LIMIT = 2048
"""Up to this many rows a matrix is written out and decomposed."""
TOLERANCE = 1e-3
"""Relative accuracy of eigenvalues at which Lanczos stops."""
_RESTARTS, _COARSE = 500, 1e-4
_KAPPA, _MARGIN, _DENSITY_POINTS, _LANCZOS_VECTORS = 3.0, 0.05, 256, 64


@dataclass(frozen=True, eq=False)
class Curvature:
    """The curvature of a mean loss at one point of weight space.

    Attributes:
        eigenvalues: (k,) the largest ones, descending.
        residuals: (k,) ``||H v - lambda v||`` of each: an eigenvalue of H is at most this far away.
        smallest: the smallest eigenvalue, below zero at a saddle point; NaN if it was not computed: a matrix that
            is not written out gets it with its density only, for it takes as long as the largest ones.
        trace: sum of all eigenvalues.
        trace_error: its standard error over random vectors; 0 where it is exact.
        density: (2, n) spectral density: eigenvalue and density, smoothed by a Gaussian; (2, 0) if not asked for.
        matrix: ``hessian`` or ``ggn``.
        scope: ``full`` or ``classifier``.
        parameters: number of rows P.
        examples: examples that the loss is the mean over.
        method: how it was computed: ``dense``, ``closed form`` or ``matrix-free``.
        about: what else is to be known.
    """

    eigenvalues: np.ndarray
    residuals: np.ndarray
    smallest: float
    trace: float
    trace_error: float
    density: np.ndarray
    matrix: Matrix
    scope: Scope
    parameters: int
    examples: int
    method: str
    about: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def measure(
        cls,
        model: "nn.Module",
        loss: "nn.Module",
        batches: Iterable[tuple["torch.Tensor", "torch.Tensor"]],
        *,
        matrix: Matrix = "hessian",
        scope: Scope = "full",
        top: int = 3,
        trace_vectors: int = 10,
        density: bool = False,
        seed: int = 0,
        tolerance: float = TOLERANCE,
        check: bool = True,
    ) -> "Curvature":
        """Measure a module's curvature on some batches, matrix-free by curvlinops.

        The module is evaluated in evaluation mode and comes back as it was. Small matrices (up to 2,048 rows) are
        written out, which is exact; else eigenvalues are Lanczos', the trace is Hutchinson's. Batches that do not fit
        into the memory are halved; ``about`` says so.

        Args:
            model: any module, on any device.
            loss: ``torch.nn.CrossEntropyLoss()``, ``MSELoss()`` or ``BCEWithLogitsLoss()``, with mean reduction.
            batches: pairs (inputs, targets), the same at every pass.
            matrix: ``hessian`` or ``ggn``.
            scope: all parameters, or those of ``.classifier``.
            top: number of eigenvalues k.
            trace_vectors: number of random vectors behind the trace.
            density: measure the spectral density too.
            seed: of the random vectors.
            tolerance: relative accuracy at which Lanczos stops.
            check: refuse a loss that differs between two passes.

        Raises:
            InputError: no such parameters, an unknown matrix, settings that make no sense, or a random loss.
        """
        parameters = [p for n, p in model.named_parameters() if scope == "full" or n.startswith("classifier.")]
        if not parameters:
            raise InputError(f"{type(model).__name__} has no parameters in the scope {scope!r}; try scope='full'.")
        data = [(inputs.to(parameters[0].device), targets.to(parameters[0].device)) for inputs, targets in batches]
        if not data:
            raise InputError("got no batches; expected pairs (inputs, targets).")

        def solved(data: Batches) -> dict[str, Any]:
            with operator_of(model, loss, parameters, data, matrix=matrix, check=check) as operator:
                return solve(operator, top=top, vectors=trace_vectors, density=density, seed=seed, tolerance=tolerance)

        found, notes = as_memory_allows(solved, data)
        examples = sum(len(targets) for _, targets in data)
        return cls(**found, matrix=matrix, scope=scope, examples=examples, about={"notes": notes} if notes else {})


def solve(operator: Any, *, top: int, vectors: int, density: bool, seed: int, tolerance: float) -> dict[str, Any]:
    """Eigenvalues, trace and density of a curvlinops operator, dense where it is small.

    Raises:
        InputError: settings that make no sense, or products that are not finite.
    """
    import torch

    size = int(operator.shape[0])
    _check(size, top, vectors)
    if size <= DENSE_LIMIT:
        identity = torch.eye(size, dtype=operator.dtype, device=operator.device)
        written = (operator @ identity).detach().cpu().double().numpy()
        return dense(written, top=top, density=density)
    # ARPACK keeps some 20 vectors of this type.
    as_scipy = operator.to_scipy(dtype=np.float64 if operator.dtype == torch.float64 else np.float32)
    values, residuals, smallest = extremes(as_scipy, top=top, both=density, seed=seed, tolerance=tolerance)
    trace, error = estimated_trace(operator, vectors=vectors, seed=seed)
    curve = lanczos_density(operator, smallest, float(values[0]), seed=seed) if density else np.empty((2, 0))
    return {
        "eigenvalues": values,
        "residuals": residuals,
        "smallest": smallest,
        "trace": trace,
        "trace_error": error,
        "density": curve,
        "parameters": size,
        "method": "matrix-free",
    }


def estimated_trace(operator: Any, *, vectors: int, seed: int) -> tuple[float, float]:
    """Hutchinson's estimate of a curvlinops operator's trace, and its standard error over random vectors."""
    found = []
    for k in range(vectors):
        # One vector at a time: the library returns their mean only, and the error is over vectors.
        with torch_seed(seed, "evaluation", "trace", k):
            found.append(float(_library().hutchinson_trace(operator, 1)))
    return float(np.mean(found)), float(np.std(found, ddof=1) / np.sqrt(len(found)))


def lanczos_density(operator: Any, smallest: float, largest: float, *, seed: int) -> np.ndarray:
    """(2, n) spectral density of a curvlinops operator between its extreme eigenvalues (Papyan 2020, algorithm 2)."""
    with torch_seed(seed, "evaluation", "density"):
        grid, heights = _library().lanczos_approximate_spectrum(
            operator,
            min(_LANCZOS_VECTORS, operator.shape[0] - 1),
            num_points=_DENSITY_POINTS,
            num_repeats=2,
            kappa=_KAPPA,
            boundaries=(smallest, largest),
            margin=_MARGIN,
        )
    return np.stack([grid.cpu().double().numpy(), heights.cpu().double().numpy()])


def dense(matrix: np.ndarray, *, top: int, density: bool) -> dict[str, Any]:
    """The same of a matrix that is written out."""
    if not np.isfinite(matrix).all():
        raise InputError("the curvature is not finite at these weights; the loss overflows there.")
    asymmetry = float(np.abs(matrix - matrix.T).max())
    values = np.linalg.eigvalsh((matrix + matrix.T) / 2)
    return {
        "eigenvalues": values[::-1][:top].copy(),
        # Decomposed to rounding; what is left is how far the matrix was from symmetric.
        "residuals": np.full(min(top, len(values)), asymmetry),
        "smallest": float(values[0]),
        "trace": float(np.trace(matrix)),
        "trace_error": 0.0,
        "density": smoothed(values) if density else np.empty((2, 0)),
        "parameters": len(values),
        "method": "dense",
    }


def extremes(
    operator: "Operator", *, top: int, both: bool, seed: int, tolerance: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """The largest eigenvalues with their residuals and, if wanted, the smallest one, by Lanczos (ARPACK).

    The tolerance is relative: for the smallest one, to the distance between it and the largest, and not below 1e-4,
    for many eigenvalues next to each other are hard to tell apart.

    Raises:
        InputError: it does not converge.
    """
    from scipy.sparse.linalg import LinearOperator

    values, vectors = largest_pairs(operator, top, seed=seed, tolerance=tolerance)
    smallest = np.nan
    if both:
        # As the largest one of a shifted matrix: an eigenvalue of zero has no relative accuracy to stop at.
        largest = float(values[0])
        mirrored = LinearOperator(
            operator.shape, matvec=lambda v: largest * v - operator.matvec(v), dtype=operator.dtype
        )
        width, _ = largest_pairs(mirrored, 1, seed=seed, tolerance=max(tolerance, _COARSE))
        smallest = largest - float(width[0])
    residuals = [
        float(np.linalg.norm(operator.matvec(v) - value * v)) for value, v in zip(values, vectors.T, strict=True)
    ]
    return values, np.array(residuals), smallest


def largest_pairs(operator: "Operator", count: int, *, seed: int, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    """(k,) largest eigenvalues, descending, and (P, k) their eigenvectors, by Lanczos (ARPACK).

    Raises:
        InputError: it does not converge.
    """
    from scipy.sparse.linalg import ArpackError, eigsh

    start = numpy_generator(seed, "evaluation", "lanczos").standard_normal(operator.shape[0]).astype(operator.dtype)
    try:
        values, vectors = eigsh(operator, k=count, which="LA", v0=start, tol=tolerance, maxiter=_RESTARTS)
    except ArpackError as error:
        raise InputError(
            f"the eigenvalues did not converge ({error}); try a larger tolerance, or other weights."
        ) from error
    order = np.argsort(values)[::-1]
    return values[order].astype(np.float64), vectors[:, order]


def smoothed(values: np.ndarray) -> np.ndarray:
    """(2, n) density of eigenvalues that are all known, with the smoothing that curvlinops uses."""
    low, high = float(values.min()), float(values.max())
    pad = _MARGIN * ((high - low) or abs(high) or 1.0)
    grid = np.linspace(low - pad, high + pad, _DENSITY_POINTS)
    # The width that curvlinops' Gaussians have on [-1, 1].
    width = 2 / (_LANCZOS_VECTORS - 1) / np.sqrt(8 * np.log(_KAPPA)) * (grid[-1] - grid[0]) / 2
    heights = np.zeros(len(grid))
    for part in np.array_split(values, max(1, len(values) // 4096)):
        heights += np.exp(-0.5 * ((grid[:, None] - part) / width) ** 2).sum(1)
    return np.stack([grid, heights / (len(values) * width * np.sqrt(2 * np.pi))])


def as_memory_allows(work: Callable[[Batches], Found], data: Batches) -> tuple[Found, list[str]]:
    """What `work` makes of some batches: where the memory does not suffice, of halves of them.

    A mean over all examples does not depend on how they are cut into batches.

    Returns:
        The result, and a sentence on every time the batches were halved.

    Raises:
        InputError: single examples do not fit.
    """
    from landscape.evaluation.evaluator import is_out_of_memory

    notes: list[str] = []
    while True:
        try:
            return work(data), notes
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
        largest = max(len(targets) for _, targets in data)
        if largest <= 1:
            raise InputError(
                "a product of the curvature with a vector does not fit into the memory, even for one example; use "
                "smaller images or another device."
            )
        half = (largest + 1) // 2
        data = [part for inputs, targets in data for part in zip(inputs.split(half), targets.split(half), strict=True)]
        notes.append(f"curvature: out of memory with {largest} images a batch: went on with {half}")


def _check(size: int, top: int, vectors: int) -> None:
    if top < 1 or vectors < 2:
        raise InputError(f"got {top} eigenvalues and {vectors} vectors; expected at least 1 and 2.")
    if size > DENSE_LIMIT and top > 100:
        raise InputError(f"got {top} eigenvalues; expected at most 100 of a matrix that is not written out.")


@contextmanager
def operator_of(
    model: "nn.Module",
    loss: "nn.Module",
    parameters: list["nn.Parameter"],
    data: list[tuple["torch.Tensor", "torch.Tensor"]],
    *,
    matrix: Matrix,
    check: bool,
) -> Iterator[Any]:
    """A curvlinops operator on a borrowed module, in evaluation mode; the module comes back as it was.

    Raises:
        InputError: an unknown matrix, or a random loss.
    """
    from landscape.weights import borrowed

    library = _library()
    types = {"hessian": library.HessianLinearOperator, "ggn": library.GGNLinearOperator}
    if matrix not in types:
        raise unknown_choice("matrix", matrix, types)
    with borrowed(model, values=False), _quiet():
        for parameter in parameters:
            parameter.requires_grad_(True)
        try:
            operator = types[matrix](model, loss, parameters, data, check_deterministic=check)
        except RuntimeError as error:
            if not check:
                raise
            raise InputError(
                f"the loss cannot be differentiated twice, or is random ({error}); expected a fixed order of fixed "
                "data, without augmentation."
            ) from error
        yield operator


def _library() -> Any:
    """Curvlinops, loaded when it is needed: it takes a second."""
    with _quiet():
        import curvlinops

    return curvlinops


@contextmanager
def _quiet() -> Iterator[None]:
    """Ignore what curvlinops and torch's forward mode say when they are first used, and of their speed."""
    with warnings.catch_warnings():
        for category in (FutureWarning, DeprecationWarning):  # which of them depends on torch's version
            warnings.filterwarnings("ignore", message=r"`torch\.jit\.script` is deprecated", category=category)
        # One vector at a time: there is no batch of them whose speed could drop.
        warnings.filterwarnings("ignore", message="There is a performance drop", category=UserWarning)
        yield
