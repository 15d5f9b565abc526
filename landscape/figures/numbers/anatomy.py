"""The parts of an FGMix run, with the shapes of their tensors and their numbers of parameters."""

from dataclasses import dataclass

import torch
from torch import nn

from landscape.checkpoint import Checkpoint
from landscape.errors import InputError
from landscape.fgmix import (
    Discriminator,
    FeatureMoments,
    classifier_gradients,
    mix_codes,
    sample_groups,
)
from landscape.fgmix.gradients import LinearGradients
from landscape.mixture import restore_policy
from landscape.models import build_network
from landscape.seeding import numpy_generator, torch_generator, torch_seed

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Anatomy:
    """One active step of a run, part by part. Nothing of it is typed in: modules and tensors were asked."""

    label: str
    """The checkpoint that was read."""
    step: int
    start: int
    """T0, the first step with mixup codes."""
    model: str
    images: Shape
    """(n B, 3, S, S) of all sources in one step."""
    sources: int
    codes: Shape
    """(n B, D)"""
    groups: Shape
    """(M, n)"""
    mixed: Shape
    """(M, D)"""
    logits: Shape
    """(n B + M, K)"""
    gradients: Shape
    """(n B, P), P the classifier's parameters."""
    factors: tuple[Shape, Shape] | None
    """Of a gradient's rank-one form: ``delta`` (n B, K) and ``[z; 1]`` (n B, D + 1); None for a deeper classifier."""
    pairs: Shape
    """(M n (n - 1), 2 P) ordered pairs, as S_phi would see them multiplied out."""
    scores: Shape
    """(M, n, n)"""
    weights: Shape
    """(M, n)"""
    score_layers: Shape
    """Widths of S_phi, from its input to its output."""
    discriminator_layers: Shape
    parameters: dict[str, int]
    """Trained parameters of ``featurizer``, ``classifier``, ``score``, ``scale``, ``discriminator``."""
    scale: float
    """lambda at this step."""
    scale_init: float
    directions: int
    radius: float
    eta: float


@torch.no_grad()
def anatomy(checkpoint: Checkpoint) -> Anatomy:
    """Build the network and the policy of a checkpoint and send one step's codes through them.

    The codes are samples of the run's own prior: only shapes are looked at, so no data are needed.

    Args:
        checkpoint: of an FGMix run, a raw iterate.

    Raises:
        InputError: the checkpoint holds no learned weight policy or no discriminator.
    """
    config = checkpoint.config
    names = {name.partition("/")[0] for name in checkpoint.algorithm}
    if config is None or not {"policy", "discriminator", "moments"} <= names:
        raise InputError(f"{checkpoint.label} has no policy with a discriminator; expected a checkpoint of FGMix.")
    mixup = config.mixup
    with torch_seed(0, "model"):  # the initial values are overwritten
        network = build_network(
            config.model, num_classes=len(checkpoint.classes), weights="none", head=config.head, batch_norm="frozen"
        )
        discriminator = Discriminator(network.feature_dim, hidden=mixup.hidden, activation=mixup.activation)
        policy = restore_policy(checkpoint, network.classifier, network.feature_dim)
    checkpoint.load_into(network)
    network.eval()
    discriminator.load_state_dict(_state(checkpoint, "discriminator"))
    moments = FeatureMoments(network.feature_dim, momentum=mixup.momentum)
    moments.load_state_dict(_state(checkpoint, "moments"))

    image = torch.zeros(1, 3, config.image_size, config.image_size)
    sources = len(config.sources or [domain for domain in checkpoint.domains if domain != config.target])
    labels = (torch.arange(config.batch_size) % len(checkpoint.classes)).expand(sources, -1)
    code = network.featurizer(image)
    codes = moments.sample(labels.numel(), torch_generator(0, "evaluation", "anatomy"))
    groups = sample_groups(
        labels,
        count=mixup.codes,
        generator=numpy_generator(0, "evaluation", "anatomy"),
        rule=mixup.groups,
        domains_per_mixup=mixup.domains_per_mixup,
    )
    gradients = classifier_gradients(network.classifier, codes, labels.flatten())
    given = policy(codes, gradients, groups)
    mixed = mix_codes(codes, groups.rows, given.scaled)
    logits = network.classifier(torch.cat([codes, mixed]))
    score = policy.score
    assert score is not None  # FGMix learns it
    n = groups.size
    factors = None
    if isinstance(gradients, LinearGradients):
        factors = tuple(gradients.delta.shape), (len(codes), codes.shape[1] + 1)
    return Anatomy(
        label=checkpoint.label,
        step=checkpoint.step,
        start=mixup.start,
        model=config.model,
        images=(labels.numel(), *image.shape[1:]),
        sources=sources,
        codes=(labels.numel(), *code.shape[1:]),
        groups=tuple(groups.rows.shape),
        mixed=tuple(mixed.shape),
        logits=tuple(logits.shape),
        gradients=(labels.numel(), score.in_features),
        factors=factors,
        pairs=(len(groups) * n * (n - 1), 2 * score.in_features),
        scores=(len(groups), n, n),
        weights=tuple(given.scaled.shape),
        score_layers=(2 * score.in_features, score.weight.shape[1], *_widths(score.tail)),
        discriminator_layers=(network.feature_dim, *_widths(discriminator.layers)),
        parameters={
            name: sum(parameter.numel() for parameter in module.parameters())
            for name, module in (
                ("featurizer", network.featurizer),
                ("classifier", network.classifier),
                ("score", score),
                ("discriminator", discriminator),
            )
        }
        | {"scale": policy.scale.numel()},
        scale=float(policy.scale),
        scale_init=float(mixup.scale_init),
        directions=mixup.directions,
        radius=float(mixup.radius),
        eta=float(mixup.eta),
    )


def _state(checkpoint: Checkpoint, part: str) -> dict[str, torch.Tensor]:
    return {
        name.removeprefix(f"{part}/"): tensor
        for name, tensor in checkpoint.algorithm.items()
        if name.startswith(f"{part}/")
    }


def _widths(layers: nn.Module) -> Shape:
    """Outputs of the linear layers, in order."""
    return tuple(layer.out_features for layer in layers.modules() if isinstance(layer, nn.Linear))
