"""From a model's name to a network."""

from typing import Literal

from landscape.errors import InputError
from landscape.models.additions import ADDITIONS, parse_additions
from landscape.models.backbones import Featurizer, build_backbone
from landscape.models.heads import Head, build_head
from landscape.models.network import Network, resolve_batch_norm
from landscape.models.own import build_own
from landscape.models.pretrained import load_into, read_state_dict


def build_network(
    name: str,
    *,
    num_classes: int,
    weights: str = "imagenet",
    head: Head = "linear",
    dropout: float = 0.0,
    batch_norm: Literal["auto", "frozen", "train"] = "auto",
) -> Network:
    """Featurizer and classifier for a model's name.

    The classifier, and the featurizer when ``weights="none"``, are initialised from torch's global generator: seed
    it (:func:`landscape.seeding.torch_seed`) for a reproducible start.

    Args:
        name: ``efficientnet_lite0``, ``resnet18``, ``resnet50``, ``densenet121``, ``small_cnn``, ``timm:NAME``, or
            ``package.module:function``, which is called with the number of classes. What the function returns is
            used as it is: head and dropout are its own business, and so are its weights unless a file is given.
            All but the last may be followed by layers to add, such as ``+selfnorm``
            (:mod:`landscape.models.additions`).
        num_classes: K.
        weights: ``imagenet``, ``none``, or a file of weights (safetensors, or a state dict saved by torch). From a
            file a built-in model takes the backbone only, an own network everything. Added layers that the file lacks
            keep their initial values.
        head: ``linear`` or ``nonlinear``.
        dropout: probability of dropout on the latent code.
        batch_norm: ``frozen``, ``train``, or ``auto``: frozen unless ``weights="none"``. An own network may come
            untrained whatever `weights` says: with ``auto`` it is trained also when all its running means are 0 and
            variances 1.

    Raises:
        InputError: unknown name, weights that are missing or do not fit, or an own network that cannot be had.
    """
    policy = resolve_batch_norm(batch_norm, weights)
    plain, additions = parse_additions(name)
    if ":" in name and not name.startswith("timm:"):
        if additions:
            raise InputError(
                f"{name}: layers are added to built-in and timm networks only; add them in {plain} itself."
            )
        own = build_own(name, num_classes=num_classes, batch_norm=policy)
        if weights not in ("imagenet", "none"):
            load_into(own, read_state_dict(weights), weights)
        own.batch_norm = resolve_batch_norm(batch_norm, weights, own)
        own.train()
        return own
    backbone = build_backbone(plain, weights=weights)
    classifier = build_head(backbone.feature_dim, num_classes, head=head)
    # After the head, so that it starts as the plain network's does.
    for addition, options in additions.items():
        ADDITIONS[addition].add(backbone.module, options, plain)
    if additions and weights not in ("imagenet", "none"):
        load_into(backbone.module, read_state_dict(weights), weights, partly=True)
    return Network(
        Featurizer(backbone.module, dropout),
        classifier,
        feature_dim=backbone.feature_dim,
        num_classes=num_classes,
        mean=backbone.mean,
        std=backbone.std,
        batch_norm=policy,
        name=name,
        stages={stage: f"featurizer.backbone.{end}" for stage, end in backbone.stages.items()},
    )
