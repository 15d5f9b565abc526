"""Per-example gradients of the classifier's loss: what FGMix compares instances by (paper, section 3.2).

``g_i = grad_{theta_C} CE(C(z_i; theta_C), y_i)`` for every latent code of a batch. A linear classifier has a
closed form of rank one, which is never multiplied out; any other classifier goes through
``torch.func.vmap``. Both treat the codes as constants, so no gradient flows back into the featurizer.

The flat layout is that of ``torch.nn.utils.parameters_to_vector(classifier.parameters())``.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from landscape.weights import borrowed


@dataclass(frozen=True)
class LinearGradients:
    """Per-example gradients of a linear classifier, kept as the two factors of their rank-one form.

    With ``logits = W z + b``, ``delta = softmax(logits) - onehot(y)``: ``dl/dW = delta z^T``, ``dl/db = delta``,
    so the gradient with respect to ``[W; b]`` is ``delta (x) [z; 1]``. Leading dimensions may be any.
    """

    delta: Tensor
    """(..., B, K) derivative of the loss with respect to the logits; its rows sum to 0."""
    codes: Tensor
    """(..., B, D) latent codes, detached."""

    @property
    def size(self) -> int:
        """Number of coordinates of one gradient, ``K D + K``."""
        return self.delta.shape[-1] * (self.codes.shape[-1] + 1)

    def __len__(self) -> int:
        return self.delta.shape[0]

    def __getitem__(self, rows: Tensor | slice) -> "LinearGradients":
        return self.index(rows)

    def index(self, rows: Tensor | slice) -> "LinearGradients":
        """The gradients of some examples; an index of shape (M, n) makes the leading dimensions (M, n)."""
        return LinearGradients(self.delta[rows], self.codes[rows])

    def scaled(self, factors: Tensor) -> "LinearGradients":
        """Every gradient times its own factor (..., B)."""
        return LinearGradients(self.delta * factors.unsqueeze(-1), self.codes)

    def dense(self) -> Tensor:
        """The gradients multiplied out: (..., B, K D + K), W row by row, then b."""
        outer = self.delta.unsqueeze(-1) * self.codes.unsqueeze(-2)
        return torch.cat([outer.flatten(-2), self.delta], dim=-1)

    def norms(self) -> Tensor:
        """Euclidean norms (..., B): ``||g|| = ||delta|| sqrt(||z||^2 + 1)``."""
        return self.delta.norm(dim=-1) * (self.codes.square().sum(-1) + 1).sqrt()

    def inner(self) -> Tensor:
        """Inner products (..., B, B): ``<g_i, g_j> = (delta_i . delta_j)(z_i . z_j + 1)``."""
        return (self.delta @ self.delta.mT) * (self.codes @ self.codes.mT + 1)


Gradients = LinearGradients | Tensor
"""Per-example gradients: in rank-one form, or multiplied out as (B, P)."""


def has_closed_form(classifier: nn.Module) -> bool:
    """Whether the classifier is one plain linear layer with a bias.

    A subclass may compute something else and a weight normalisation has other parameters, so only
    ``nn.Linear`` itself counts.

    >>> has_closed_form(nn.Linear(2, 3)), has_closed_form(nn.Linear(2, 3, bias=False)), has_closed_form(nn.Tanh())
    (True, False, False)
    """
    return type(classifier) is nn.Linear and classifier.bias is not None


def linear_gradients(classifier: nn.Linear, codes: Tensor, labels: Tensor) -> LinearGradients:
    """Per-example gradients of the cross entropy of a linear classifier, in closed form.

    >>> classifier = nn.Linear(1, 2)
    >>> _ = [nn.init.zeros_(parameter) for parameter in classifier.parameters()]
    >>> linear_gradients(classifier, torch.tensor([[3.0]]), torch.tensor([0])).dense()
    tensor([[-1.5000,  1.5000, -0.5000,  0.5000]])

    Args:
        classifier: linear layer with a bias, D -> K.
        codes: (B, D) latent codes.
        labels: (B,) class indices.

    Returns:
        The factors ``delta`` (B, K) and ``codes`` (B, D), both detached.
    """
    with torch.no_grad():
        codes = codes.detach()
        others = F.softmax(classifier(codes), dim=-1).scatter(-1, labels.unsqueeze(-1), 0.0)
        # p_y - 1 as minus the sum of the other probabilities: near convergence the difference itself would be
        # rounded to 0 long before the gradient is 0.
        delta = others.scatter(-1, labels.unsqueeze(-1), -others.sum(-1, keepdim=True))
    return LinearGradients(delta, codes)


def dense_gradients(classifier: nn.Module, codes: Tensor, labels: Tensor) -> Tensor:
    """Per-example gradients of the cross entropy of any classifier, by ``torch.func.vmap(grad(...))``.

    The classifier is differentiated in eval mode (a dropout inside it is off, a batch norm inside it uses its
    running statistics): otherwise one example's gradient would depend on chance or on the other examples.

    >>> classifier = nn.Linear(3, 2)
    >>> codes, labels = torch.eye(3), torch.tensor([0, 1, 0])
    >>> closed = linear_gradients(classifier, codes, labels).dense()
    >>> bool(torch.allclose(dense_gradients(classifier, codes, labels), closed, atol=1e-6))
    True

    Args:
        classifier: module from codes to logits.
        codes: (B, D) latent codes.
        labels: (B,) class indices.

    Returns:
        (B, P), detached, in the order of ``classifier.parameters()``.
    """
    parameters = {name: parameter.detach() for name, parameter in classifier.named_parameters()}

    def loss(parameters: dict[str, Tensor], code: Tensor, label: Tensor) -> Tensor:
        logits = functional_call(classifier, parameters, (code.unsqueeze(0),))
        return F.cross_entropy(logits, label.unsqueeze(0))

    with borrowed(classifier, values=False):
        per_example = vmap(grad(loss), in_dims=(None, 0, 0))(parameters, codes.detach(), labels)
    return torch.cat([per_example[name].flatten(1) for name in parameters], dim=1).detach()


def classifier_gradients(classifier: nn.Module, codes: Tensor, labels: Tensor) -> Gradients:
    """Per-example classifier gradients ``g_i``: in closed form where the classifier has one, else dense.

    >>> codes, labels = torch.eye(3), torch.tensor([0, 1, 0])
    >>> type(classifier_gradients(nn.Linear(3, 2), codes, labels)).__name__
    'LinearGradients'
    >>> classifier_gradients(nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)), codes, labels).shape
    torch.Size([3, 26])

    Args:
        classifier: module from codes to logits.
        codes: (B, D) latent codes.
        labels: (B,) class indices.

    Returns:
        Of B examples, in rank-one form or (B, P).
    """
    if isinstance(classifier, nn.Linear) and has_closed_form(classifier):
        return linear_gradients(classifier, codes, labels)
    return dense_gradients(classifier, codes, labels)


def pairwise_cosine(gradients: Gradients) -> Tensor:
    """Cosine similarity between all pairs, ``cos(g_i, g_j) = <g_i, g_j> / (||g_i|| ||g_j||)``.

    >>> pairwise_cosine(torch.tensor([[2.0, 0.0], [1.0, 1.0], [0.0, 0.0]]))
    tensor([[1.0000, 0.7071, 0.0000],
            [0.7071, 1.0000, 0.0000],
            [0.0000, 0.0000, 0.0000]])

    Args:
        gradients: per-example gradients or any vectors, (..., B, P) or in rank-one form.

    Returns:
        (..., B, B) within [-1, 1]; 0 wherever a vector is zero.
    """
    if isinstance(gradients, LinearGradients):
        delta = _unit(gradients.delta)
        # [z; 1] / ||[z; 1]|| without building it.
        norms = (gradients.codes.square().sum(-1, keepdim=True) + 1).sqrt()
        codes, ones = gradients.codes / norms, norms.reciprocal()
        cosine = (delta @ delta.mT) * (codes @ codes.mT + ones @ ones.mT)
    else:
        unit = _unit(gradients)
        cosine = unit @ unit.mT
    return cosine.clamp(-1.0, 1.0)


def _unit(vectors: Tensor) -> Tensor:
    """Rows scaled to length 1; zero rows stay zero.

    Divided by the largest entry first, since the squares of a converged model's gradients underflow in float32.
    """
    largest = vectors.abs().amax(-1, keepdim=True)
    vectors = vectors / torch.where(largest > 0, largest, 1.0)
    norms = vectors.norm(dim=-1, keepdim=True)
    return vectors / torch.where(norms > 0, norms, 1.0)
