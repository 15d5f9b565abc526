r"""The flatness-aware loss of the weight policy (paper, section 3.3, Eq. 6).

How much the classifier's loss on original and mixup codes rises when its weights move by the radius gamma in a
random direction: ``L_flat = E_u [ D( L(theta_C + gamma u), L(theta_C) ) ]``, u uniform on the unit sphere of the
whole parameter space, W and b, in P = K (D + 1) dimensions. Directions come as pairs (+u, -u).

For a linear classifier no direction is ever drawn in full. With zt = [z; 1] and U = u as a K x (D + 1) matrix, the
step changes the logits by ``gamma U zt``. Weights that sum to 1 give every mixup code zt as the same combination of
the originals' zt, so U matters only through A = U Z^T, Z (N, D + 1) the originals. Let ``Z^T = Q R`` with r =
min(N, D + 1) orthonormal columns Q, so that ``A = (U Q) R``, and let u = g / ||g||, g ~ N(0, I_P), G its matrix. Then

- G Q is a K x r matrix of independent standard normals, since Q is orthonormal;
- ``||g||^2 = ||G Q||^2 + ||G (I - Q Q^T)||^2``, and the second term is independent of the first and chi-squared with
  P - K r degrees of freedom.

So ``A = (G Q) R / sqrt(||G Q||^2 + chi2)`` has exactly the distribution of U Z^T, at K r normals a direction instead
of K (D + 1), and Q itself is not needed.
"""

from collections.abc import Iterator
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, vmap

from landscape.errors import InputError
from landscape.fgmix.gradients import has_closed_form
from landscape.fgmix.mixing import mix_codes
from landscape.weights import borrowed

Difference = Literal["signed", "squared", "absolute"]
FlatData = Literal["pooled", "generated"]

# Coordinates of explicit directions that are held at a time: 64 MB in float32.
CHUNK = 1 << 24


def flatness_loss(
    classifier: nn.Module,
    codes: Tensor,
    labels: Tensor,
    rows: Tensor,
    weights: Tensor,
    group_labels: Tensor,
    *,
    radius: float,
    directions: int = 100,
    difference: Difference = "signed",
    data: FlatData = "pooled",
    generator: torch.Generator,
) -> Tensor:
    """L_flat: expected change of the classifier's loss at distance gamma, on original and mixup codes (Eq. 6).

    The gradient reaches `weights` only: the codes, the classifier and the directions are constants. For a linear
    classifier with weights that sum to 1 it takes the exact projection of the module's docstring, whose cost hardly
    depends on D; any other classifier is evaluated, in eval mode, at explicit directions of its parameter space.

    >>> classifier, codes, labels = nn.Linear(2, 2), torch.eye(2), torch.tensor([0, 1])
    >>> weights = torch.tensor([[0.5, 0.5]], requires_grad=True)
    >>> mixup = torch.tensor([[0, 1]]), weights, torch.tensor([0])
    >>> loss = flatness_loss(classifier, codes, labels, *mixup, radius=0.1, generator=torch.Generator())
    >>> loss.backward()
    >>> bool(loss > 0), weights.grad.shape, classifier.weight.grad
    (True, torch.Size([1, 2]), None)

    Args:
        classifier: module from codes to logits, theta_C.
        codes: (N, D) original latent codes.
        labels: (N,) their classes.
        rows: (M, n) members of each mixup code.
        weights: (M, n) mixing weights, each row sums to 1; from the policy.
        group_labels: (M,) classes of the mixup codes.
        radius: gamma, in units of the parameters (see :func:`absolute_radius`).
        directions: number of random directions, drawn as pairs (+u, -u); even.
        difference: ``signed`` L(theta + gamma u) - L(theta), as the text says ("loss difference"); for a linear
            classifier its expectation is not negative and about gamma^2 tr(H) / (2 P). ``squared`` and ``absolute``
            are of that difference, direction by direction.
        data: ``pooled``: L is the mean over originals and mixup codes; ``generated``: over mixup codes only.
        generator: source of the directions.

    Returns:
        Scalar, in nats (squared: nats^2).

    Raises:
        InputError: the number of directions is odd or below 2.
    """
    if directions < 2 or directions % 2:
        raise InputError(
            f"the flatness loss got {directions} directions; expected an even number from 2, since they are drawn as "
            "pairs (+u, -u)."
        )
    codes = codes.detach()
    pairs = directions // 2
    if has_closed_form(classifier):
        with torch.no_grad():
            logits = classifier(codes).mT
            steps = radius * random_projections(codes, len(logits), pairs, generator=generator)
        # The logits of a mixup code, and their changes, are the same combinations of its members'.
        mixing = weights.new_zeros(len(rows), len(codes)).scatter_add(1, rows, weights).mT
        originals = _loss_changes(logits, _both_signs(steps), labels)
        generated = _loss_changes(logits @ mixing, _both_signs(steps @ mixing), group_labels)
        return _difference(_mean_change(originals, generated, data), difference).mean()
    drawn = _random_directions(classifier, pairs, codes, generator)
    return _explicit(
        classifier, codes, labels, rows, weights, group_labels, drawn, radius=radius, difference=difference, data=data
    )


def flatness_loss_explicit(
    classifier: nn.Module,
    codes: Tensor,
    labels: Tensor,
    rows: Tensor,
    weights: Tensor,
    group_labels: Tensor,
    directions: Tensor,
    *,
    radius: float,
    difference: Difference = "signed",
    data: FlatData = "pooled",
) -> Tensor:
    """:func:`flatness_loss` at given directions, for any classifier.

    >>> classifier = nn.Linear(1, 2)
    >>> _ = [nn.init.zeros_(parameter) for parameter in classifier.parameters()]
    >>> code, label, up = torch.ones(1, 1), torch.tensor([0]), torch.tensor([[0.0, 0.0, 1.0, 0.0]])
    >>> mixup = torch.tensor([[0]]), torch.ones(1, 1), label
    >>> rise = flatness_loss_explicit(classifier, code, label, *mixup, up, radius=3.0)
    >>> bool(torch.isclose(rise, torch.tensor(-3.0).exp().log1p() - torch.tensor(2.0).log()))
    True

    Args:
        classifier: module from codes to logits.
        codes: (N, D) original latent codes.
        labels: (N,) their classes.
        rows: (M, n) members of each mixup code.
        weights: (M, n) mixing weights.
        group_labels: (M,) classes of the mixup codes.
        directions: (J, P) in the order of ``classifier.parameters()``; taken as they are, neither normalised nor
            mirrored.
        radius: gamma.
        difference: see :func:`flatness_loss`.
        data: see :func:`flatness_loss`.

    Returns:
        Scalar, in nats (squared: nats^2).
    """
    chunks = iter(directions.split(_chunk(directions.shape[1])))
    return _explicit(
        classifier, codes, labels, rows, weights, group_labels, chunks, radius=radius, difference=difference, data=data
    )


def absolute_radius(classifier: nn.Module, radius: float, *, relative: bool) -> float:
    """Gamma in units of the parameters: as given, or as a fraction of the classifier's norm ``||theta_C||``.

    >>> classifier = nn.Linear(1, 2)
    >>> _ = nn.init.constant_(classifier.weight, 3.0), nn.init.constant_(classifier.bias, 0.0)
    >>> absolute_radius(classifier, 0.5, relative=False), round(absolute_radius(classifier, 0.5, relative=True), 4)
    (0.5, 2.1213)

    Args:
        classifier: theta_C.
        radius: gamma, or the fraction.
        relative: which of the two.
    """
    if not relative:
        return radius
    squares = [parameter.detach().cpu().double().square().sum() for parameter in classifier.parameters()]
    return radius * float(torch.stack(squares).sum().sqrt())


def random_projections(codes: Tensor, classes: int, count: int, *, generator: torch.Generator) -> Tensor:
    """Changes of a linear classifier's logits along random unit directions, ``U zt``, drawn without drawing U.

    >>> steps = random_projections(torch.zeros(3, 8), 2, 500, generator=torch.Generator())
    >>> steps.shape, bool((steps.norm(dim=1) <= 1).all())  # ||U zt|| <= ||zt||, which is 1 for a code of zeros
    (torch.Size([500, 2, 3]), True)

    Args:
        codes: (N, D) latent codes.
        classes: K.
        count: number of directions J.
        generator: source of randomness, on any device.

    Returns:
        (J, K, N), distributed exactly as U Z^T for u = vec(U) uniform on the unit sphere in K (D + 1) dimensions.
    """
    extended = torch.cat([codes, codes.new_ones(len(codes), 1)], dim=1)
    factor = _factor(extended)
    normals = torch.randn(
        count, classes, len(factor), dtype=codes.dtype, device=generator.device, generator=generator
    ).to(codes.device)
    rest = np.zeros(count)
    freedom = classes * (extended.shape[1] - len(factor))
    if freedom:
        # torch has no chi-squared draws that take a generator; NumPy's stream is seeded from it.
        seed = int(torch.randint(2**63 - 1, (), device=generator.device, generator=generator))
        rest = np.random.default_rng(seed).chisquare(freedom, count)
    norms = (normals.square().sum((1, 2)) + torch.as_tensor(rest, dtype=codes.dtype, device=codes.device)).sqrt()
    return (normals @ factor) / norms[:, None, None]


def _factor(vectors: Tensor) -> Tensor:
    """R (r, N) of ``Z^T = Q R`` for Z (N, D + 1), with r = min(N, D + 1) orthonormal columns Q; not unique.

    Of the N x N inner products in float64, which square the condition number but not past float32: a QR of Z itself
    is as exact, but stalls for hundreds of milliseconds when several threads share a busy machine. On the CPU, so
    that the draws are the same on every device.
    """
    if len(vectors) >= vectors.shape[1]:
        return vectors.mT  # Q is the identity
    vectors64 = vectors.detach().cpu().double()
    inner = vectors64 @ vectors64.mT
    lower, failed = torch.linalg.cholesky_ex(inner)
    if failed:  # dependent codes, such as the same image twice
        # Codes that are not finite make the loss so anyhow; they need not make the decomposition fail first.
        values, basis = torch.linalg.eigh(inner.nan_to_num(0.0, 0.0, 0.0))
        lower = basis * values.clamp(min=0.0).sqrt()
    return lower.mT.to(vectors)


def _both_signs(directions: Tensor) -> Tensor:
    """The antithetic pairs of some directions: (J, ...) -> (2 J, ...)."""
    return torch.cat([directions, -directions])


def _loss_changes(logits: Tensor, steps: Tensor, labels: Tensor) -> Tensor:
    """Change of each code's cross entropy along each direction: logits (K, N), steps (J, K, N) -> (J, N).

    ``CE(l + a) - CE(l) = log sum_k p_k exp(a_k) - a_y`` with p = softmax(l).
    """
    own = labels.expand(len(steps), 1, -1)
    return torch.logsumexp(torch.log_softmax(logits, 0) + steps, 1) - steps.gather(1, own).squeeze(1)


def _mean_change(originals: Tensor, generated: Tensor, data: FlatData) -> Tensor:
    """Change of the mean loss along each direction: (J, N) and (J, M) -> (J,)."""
    if data == "generated":
        return generated.sum(1) / max(generated.shape[1], 1)
    return (originals.sum(1) + generated.sum(1)) / (originals.shape[1] + generated.shape[1])


def _difference(change: Tensor, difference: Difference) -> Tensor:
    if difference == "squared":
        return change.square()
    if difference == "absolute":
        return change.abs()
    return change


def _chunk(width: int) -> int:
    """Explicit directions of `width` coordinates that are evaluated at a time."""
    return max(1, CHUNK // max(width, 1))


def _random_directions(classifier: nn.Module, pairs: int, like: Tensor, generator: torch.Generator) -> Iterator[Tensor]:
    """Unit directions in the classifier's parameter space, both signs of each.

    Yields:
        (2 J', P), a chunk at a time.
    """
    width = sum(parameter.numel() for parameter in classifier.parameters())
    step = max(1, _chunk(width) // 2)
    for start in range(0, pairs, step):
        count = min(step, pairs - start)
        unit = torch.randn(count, width, dtype=like.dtype, device=generator.device, generator=generator).to(like.device)
        unit = unit / unit.norm(dim=1, keepdim=True)
        yield _both_signs(unit)


def _explicit(
    classifier: nn.Module,
    codes: Tensor,
    labels: Tensor,
    rows: Tensor,
    weights: Tensor,
    group_labels: Tensor,
    chunks: Iterator[Tensor],
    *,
    radius: float,
    difference: Difference,
    data: FlatData,
) -> Tensor:
    """The loss at explicit directions, by chunks, with the memory of one chunk.

    The loss is a sum over directions and depends on the policy only through the mixup codes. So each chunk gives
    its value and its gradient with respect to the codes at once, and nothing of it is kept for the backward pass.
    """
    codes = codes.detach()
    mixed = mix_codes(codes, rows, weights)
    leaf = mixed.detach().requires_grad_()
    parameters = {name: parameter.detach() for name, parameter in classifier.named_parameters()}
    sizes = [parameter.numel() for parameter in parameters.values()]

    def losses(direction: Tensor, inputs: Tensor, targets: Tensor) -> Tensor:
        moved = {
            name: parameter + radius * part.view_as(parameter)
            for (name, parameter), part in zip(parameters.items(), direction.split(sizes), strict=True)
        }
        return F.cross_entropy(functional_call(classifier, moved, (inputs,)), targets, reduction="none")

    def changes(directions: Tensor, inputs: Tensor, targets: Tensor) -> Tensor:
        start = F.cross_entropy(functional_call(classifier, parameters, (inputs,)), targets, reduction="none")
        return vmap(losses, in_dims=(0, None, None))(directions, inputs, targets) - start

    count = 0
    value = codes.new_zeros(())
    slope = torch.zeros_like(leaf)
    with borrowed(classifier, values=False):
        for chunk in chunks:
            with torch.no_grad():
                originals = changes(chunk, codes, labels)
            with torch.enable_grad():
                total = _difference(_mean_change(originals, changes(chunk, leaf, group_labels), data), difference).sum()
            slope += torch.autograd.grad(total, leaf)[0]
            value += total.detach()
            count += len(chunk)
    # Zero in value, and the accumulated gradient in the backward pass.
    return (value + ((mixed - mixed.detach()) * slope).sum()) / count
