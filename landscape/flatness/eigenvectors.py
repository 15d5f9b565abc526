"""The directions in which a loss is curved most: eigenvectors of the Hessian's largest eigenvalues."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from landscape.errors import InputError
from landscape.flatness import spectrum
from landscape.flatness.spectrum import Batches, as_memory_allows, largest_pairs, operator_of

if TYPE_CHECKING:
    import torch
    from torch import nn

    from landscape.weights import Weights


@dataclass(frozen=True, eq=False)
class Eigenvectors:
    """Pairs ``H v_k = lambda_k v_k`` of the Hessian of a mean loss.

    Attributes:
        values: (k,) the largest eigenvalues, descending.
        vectors: k unit vectors by parameter name, float64; the largest coordinate of each is positive.
        notes: what is to be known, in sentences.
    """

    values: np.ndarray
    vectors: "tuple[Weights, ...]"
    notes: tuple[str, ...] = ()

    @classmethod
    def measure(
        cls,
        model: "nn.Module",
        loss: "nn.Module",
        batches: "Iterable[tuple[torch.Tensor, torch.Tensor]]",
        *,
        count: int = 2,
        seed: int = 0,
        tolerance: float = 1e-3,
    ) -> "Eigenvectors":
        """The largest eigenvalues of a module's Hessian with their eigenvectors.

        In evaluation mode, over all parameters. Small matrices (up to 2,048 rows) are written out and decomposed, which
        is exact; else by Lanczos on products that curvlinops computes.

        Args:
            model: any module, on any device; it comes back as it was.
            loss: ``torch.nn.CrossEntropyLoss()``, ``MSELoss()`` or ``BCEWithLogitsLoss()``, with mean reduction.
            batches: pairs (inputs, targets), the same at every pass; halved where they do not fit into the memory.
            count: number of pairs k.
            seed: of the vector that Lanczos starts from.
            tolerance: relative accuracy of the eigenvalues at which Lanczos stops.

        Raises:
            InputError: fewer than `count` parameters, products that are not finite, or no convergence.
        """
        import torch

        named = dict(model.named_parameters())
        size = sum(parameter.numel() for parameter in named.values())
        if not 0 < count < size:
            raise InputError(
                f"got {count} eigenvectors of {size} parameters; expected at least 1 and fewer than those."
            )

        def solved(data: Batches) -> tuple[np.ndarray, np.ndarray]:
            with operator_of(model, loss, list(named.values()), data, matrix="hessian", check=False) as operator:
                if size > spectrum.DENSE_LIMIT:
                    precise = operator.dtype == torch.float64
                    scipy = operator.to_scipy(dtype=np.float64 if precise else np.float32)
                    return largest_pairs(scipy, count, seed=seed, tolerance=tolerance)
                identity = torch.eye(size, dtype=operator.dtype, device=operator.device)
                written = (operator @ identity).detach().cpu().double().numpy()
            if not np.isfinite(written).all():
                raise InputError("the curvature is not finite at these weights; the loss overflows there.")
            values, vectors = np.linalg.eigh((written + written.T) / 2)
            return values[::-1][:count], vectors[:, ::-1][:, :count]

        (values, vectors), notes = as_memory_allows(solved, list(batches))
        # An eigenvector has no sign of its own; in float64 it has unit length and is orthogonal to the others.
        exact = np.linalg.qr(vectors.astype(np.float64))[0]
        exact = exact * np.sign(exact[np.abs(exact).argmax(0), np.arange(count)])
        shapes = [parameter.shape for parameter in named.values()]
        split = [torch.from_numpy(np.ascontiguousarray(v)).split([s.numel() for s in shapes]) for v in exact.T]
        return cls(
            values=values.astype(np.float64),
            vectors=tuple(
                {name: part.view(shape) for name, part, shape in zip(named, parts, shapes, strict=True)}
                for parts in split
            ),
            notes=tuple(notes),
        )
