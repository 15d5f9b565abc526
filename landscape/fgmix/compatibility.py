"""The compatibility score S_phi: a small MLP on ordered pairs of gradients (paper, section 3.2, Eq. 3).

``S(g_i, g_j) = MLP([g_i; g_j])``, the target first. Its first layer is a sum of two maps, ``U_0 g_i + U_1 g_j``, so
2n products serve all n(n - 1) ordered pairs; and a linear map of a rank-one gradient is a bilinear form,
``U[h] . vec(delta [z; 1]^T) = delta^T U_h [z; 1]``, so the gradients are never multiplied out. Both are exact. For
DomainNet (K = 345, D = 2048) a pair has 1.4 million inputs, and 160 gradients would fill 450 MB.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from landscape.errors import InputError
from landscape.fgmix.gradients import Gradients, LinearGradients

ActivationName = Literal["tanh", "relu", "leaky_relu"]
Normalisation = Literal["none", "l2", "layernorm"]

ACTIVATIONS: dict[str, type[nn.Module]] = {"tanh": nn.Tanh, "relu": nn.ReLU, "leaky_relu": nn.LeakyReLU}

# Only guards the division by zero (added to a norm; its square to a variance). The usual 1e-5 of a layer norm would
# exceed the variance of a converged model's gradients, and so undo the normalisation exactly where it is wanted.
EPSILON = 1e-12


@dataclass(frozen=True)
class FirstLayer:
    """The first layer's products of R distinct inputs, from which all pairs are made."""

    products: Tensor
    """(2, hidden, R): ``U_0 g`` and ``U_1 g``, with the network's graph."""
    inputs: Gradients
    """The R inputs as the layer saw them, normalised."""

    def weight_gradient_norm(self, slope: Tensor) -> Tensor:
        """Norm of the weight's gradient ``slope X^T``, given that of the products (2, hidden, R), without forming it.

        ``||slope X^T||^2 = tr(slope (X^T X) slope^T)``: only the inputs' inner products are needed.
        """
        slope = slope.flatten(0, 1)
        inner = self.inputs.inner() if isinstance(self.inputs, LinearGradients) else self.inputs @ self.inputs.mT
        return ((slope @ inner) * slope).sum().clamp(min=0.0).sqrt()


class CompatibilityNetwork(nn.Module):
    """S_phi: scores how compatible each instance's gradient is with each other one of its group.

    An MLP in-hidden-hidden-1 (depth 2) or in-hidden-1 (depth 1) on the concatenation ``[g_i; g_j]``, initialised
    like ``nn.Linear``. The inputs may be normalised first, each gradient by itself: to length 1 (l2), or to mean 0
    and variance 1 (layernorm, without learned affine). The paper states no normalisation and its activation's
    name is lost.

    Args:
        in_features: coordinates of one gradient (or of one latent code, variant F).
        hidden: width of the hidden layers.
        depth: number of hidden layers.
        activation: between the layers.
        normalisation: of the inputs.
    """

    def __init__(
        self,
        in_features: int,
        *,
        hidden: int = 64,
        depth: Literal[1, 2] = 2,
        activation: ActivationName = "tanh",
        normalisation: Normalisation = "none",
    ):
        super().__init__()
        self.in_features = in_features
        self.normalisation = normalisation
        bound = 1 / math.sqrt(2 * in_features)
        self.weight = nn.Parameter(torch.empty(2, hidden, in_features).uniform_(-bound, bound))
        """(2, hidden, in_features): [0] acts on the target's gradient g_i, [1] on the compared g_j."""
        self.bias = nn.Parameter(torch.empty(hidden).uniform_(-bound, bound))
        layers: list[nn.Module] = [ACTIVATIONS[activation]()]
        if depth == 2:
            layers += [nn.Linear(hidden, hidden), ACTIVATIONS[activation]()]
        self.tail = nn.Sequential(*layers, nn.Linear(hidden, 1))

    def forward(self, inputs: Gradients, rows: Tensor) -> Tensor:
        """Scores of all ordered pairs within each group.

        Args:
            inputs: the N gradients of the pooled batch in rank-one form, or dense vectors (N, in_features).
            rows: (M, n) members of each group.

        Returns:
            (M, n, n): ``S[m, i, j] = S(g_i, g_j)`` of group m; the diagonal is not used by Eq. 3 and is 0.

        Raises:
            InputError: the inputs are of another size than the network's.
        """
        return self.pair_scores(*self.first_layer(inputs, rows))

    def first_layer(self, inputs: Gradients, rows: Tensor) -> tuple[FirstLayer, Tensor]:
        """First-layer products of the inputs that occur in `rows`, and the position (M, n) of each member there.

        Args:
            inputs: see :meth:`forward`.
            rows: (M, n) members of each group.

        Raises:
            InputError: the inputs are of another size than the network's.
        """
        size = inputs.size if isinstance(inputs, LinearGradients) else inputs.shape[-1]
        if size != self.in_features:
            raise InputError(
                f"the inputs have {size} coordinates, but this compatibility score was built for {self.in_features}; "
                "use it with the classifier (or, for variant F, the featurizer) it was trained with."
            )
        used, position = torch.unique(rows, return_inverse=True)
        inputs = normalise(inputs[used], self.normalisation)
        if isinstance(inputs, LinearGradients):
            products = _RankOneProducts.apply(self.weight, inputs.delta, inputs.codes)
        else:
            products = self.weight @ inputs.mT
        return FirstLayer(products, inputs), position

    def pair_scores(self, first: FirstLayer, position: Tensor) -> Tensor:
        """Scores (M, n, n) of all ordered pairs within each group, from the first layer's products.

        Args:
            first: what :meth:`first_layer` returns first.
            position: (M, n) where each member's products are.
        """
        target, compared = first.products.mT
        # Embedding look-ups, whose backward pass adds in a fixed order; that of indexing does not.
        first_of, second_of = F.embedding(position, target), F.embedding(position, compared)
        pairs = first_of.unsqueeze(2) + second_of.unsqueeze(1) + self.bias
        scores = self.tail(pairs).squeeze(-1)
        own = torch.eye(position.shape[1], dtype=torch.bool, device=scores.device)
        return scores.masked_fill(own, 0.0)


class _RankOneProducts(torch.autograd.Function):
    """``delta_r^T U_h [z_r; 1]`` for all rows h of a weight and all gradients r, with the gradient for the weight.

    D is contracted first, which leaves (2 hidden, K, R), the smallest intermediate there is. Batched products read
    the weight, and write its gradient, in place: autograd's own backward would copy the gradient, which for
    DomainNet is 360 MB, to put the parts for W and b together.
    """

    @staticmethod
    def forward(ctx: Any, weight: Tensor, delta: Tensor, codes: Tensor) -> Tensor:
        ctx.save_for_backward(delta, codes)
        ctx.shape = weight.shape
        matrix, offset = _parts(weight, delta, codes)
        inner = torch.bmm(matrix, codes.mT.expand(len(matrix), -1, -1)) + offset.unsqueeze(-1)
        return (inner * delta.mT).sum(1).view(*weight.shape[:2], -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None, None]:
        delta, codes = ctx.saved_tensors
        gradient = slope.new_empty(ctx.shape)
        matrix, offset = _parts(gradient, delta, codes)
        slope = slope.flatten(0, 1)
        torch.bmm(slope.unsqueeze(1) * delta.mT, codes.expand(len(matrix), -1, -1), out=matrix)
        torch.mm(slope, delta, out=offset)
        return gradient, None, None


def _parts(weight: Tensor, delta: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
    """Views of (2, hidden, K D + K) as (2 hidden, K, D), for the classifier's W, and (2 hidden, K), for its b."""
    classes, width = delta.shape[-1], codes.shape[-1]
    matrix, offset = weight.flatten(0, 1).split([classes * width, classes], dim=1)
    return matrix.view(-1, classes, width), offset


def normalise(inputs: Gradients, rule: Normalisation) -> Gradients:
    """Each gradient by itself scaled to length 1 (l2), or to mean 0 and variance 1 (layernorm).

    In rank-one form both are a factor per gradient: the mean of ``vec(delta [z; 1]^T)`` is
    ``(sum_k delta_k)(sum_d z_d + 1) / P``, and delta sums to 0; so its variance is ``||g||^2 / P``.

    >>> normalise(torch.tensor([[3.0, 4.0]]), "l2"), normalise(torch.tensor([[3.0, 5.0]]), "layernorm")
    (tensor([[0.6000, 0.8000]]), tensor([[-1.,  1.]]))

    Args:
        inputs: (N, P) or in rank-one form.
        rule: ``l2``, ``layernorm`` or ``none``, which changes nothing.

    Returns:
        In the form of `inputs`.
    """
    if rule == "none":
        return inputs
    if isinstance(inputs, LinearGradients):
        if rule == "l2":
            return inputs.scaled(1 / inputs.norms().clamp(min=EPSILON))
        return inputs.scaled((inputs.norms().square() / inputs.size + EPSILON**2).rsqrt())
    if rule == "l2":
        return F.normalize(inputs, dim=-1, eps=EPSILON)
    return F.layer_norm(inputs, inputs.shape[-1:], eps=EPSILON**2)
