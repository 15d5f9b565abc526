"""Backbones: convolutional and other networks without their classifier, by name."""

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import timm
import torchvision
from torch import Tensor, nn

from landscape.errors import InputError, unknown_choice
from landscape.models.network import IMAGENET_MEAN, IMAGENET_STD, Colour, colour
from landscape.models.pretrained import (
    lite0_weights,
    load_into,
    no_download,
    read_state_dict,
    require_reachable,
    torchvision_weights,
)
from landscape.models.small_cnn import SmallCNN
from landscape.models.stages import Stages, numbered, timm_stages

_FOUR = (1, 2, 3, 4)


@dataclass(frozen=True)
class Backbone:
    """A network from normalised images (B, 3, S, S) to features (B, D), and what its input looks like.

    Attributes:
        module: the network, its classifier removed, globally pooled.
        feature_dim: D.
        mean: input normalisation per colour, in units of pixel / 255.
        std: likewise.
        stages: names of its stages and of the submodules that end them (:mod:`landscape.models.stages`).
    """

    module: nn.Module
    feature_dim: int
    mean: Colour = IMAGENET_MEAN
    std: Colour = IMAGENET_STD
    stages: Stages = field(default_factory=dict)


def build_backbone(name: str, *, weights: str = "imagenet") -> Backbone:
    """A built-in backbone, or any of timm's as ``timm:NAME``.

    Args:
        name: one of :data:`BACKBONES`, or ``timm:NAME`` (with a tag if wanted: ``timm:resnet50.ram_in1k``).
        weights: ``imagenet`` (for timm: the weights that its name stands for), ``none`` (random), or a file.

    Raises:
        InputError: an unknown name, weights that do not exist, cannot be downloaded or do not fit.
    """
    pretrained = weights == "imagenet"
    if name.startswith("timm:"):
        backbone = _timm(name.removeprefix("timm:"), pretrained=pretrained)
    elif name in BACKBONES:
        backbone = BACKBONES[name](pretrained=pretrained)
    else:
        raise unknown_choice("model", name, [*BACKBONES, "timm:NAME", "package.module:function"])
    if weights not in ("imagenet", "none"):
        load_into(backbone.module, _present_names(read_state_dict(weights)), weights)
    return backbone


class Featurizer(nn.Module):
    """A backbone and dropout on its features, as in DomainBed: images (B, 3, S, S) to latent codes (B, D)."""

    def __init__(self, backbone: nn.Module, dropout: float = 0.0) -> None:
        super().__init__()
        self.backbone = backbone
        self.dropout = nn.Dropout(dropout)

    def forward(self, images: Tensor) -> Tensor:
        """Latent codes (B, D)."""
        codes: Tensor = self.dropout(self.backbone(images))
        return codes


def _lite0(*, pretrained: bool) -> Backbone:
    # The tf_ variant: TensorFlow's padding and a batch-norm epsilon of 1e-3. timm's plain one differs in both.
    network = timm.create_model("tf_efficientnet_lite0", num_classes=0)
    if pretrained:
        network.load_state_dict(network.state_dict() | lite0_weights(network))
    # Its weights expect (pixel - 127) / 128.
    return Backbone(network, 1280, (127 / 255,) * 3, (128 / 255,) * 3, timm_stages(network))


def _resnet(name: str, *, pretrained: bool) -> Backbone:
    network = getattr(torchvision.models, name)(weights=None)
    feature_dim = network.fc.in_features
    network.fc = nn.Identity()
    return _torchvision(network, name, feature_dim, pretrained, numbered("maxpool", [f"layer{k}" for k in _FOUR]))


def _densenet(name: str, *, pretrained: bool) -> Backbone:
    network = getattr(torchvision.models, name)(weights=None)
    feature_dim = network.classifier.in_features
    network.classifier = nn.Identity()
    stages = numbered("features.pool0", [f"features.denseblock{k}" for k in _FOUR])
    return _torchvision(network, name, feature_dim, pretrained, stages)


def _torchvision(network: nn.Module, name: str, feature_dim: int, pretrained: bool, stages: Stages) -> Backbone:
    if pretrained:
        # Version 1 of the weights: what DomainBed's published numbers start from.
        weights = torchvision.models.get_model_weights(name).IMAGENET1K_V1
        load_into(network, _present_names(torchvision_weights(weights, name)), f"torchvision's weights of {name}")
    return Backbone(network, feature_dim, stages=stages)


def _present_names(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename the layers that torchvision's DenseNet files call ``norm.1``, ``conv.1`` and its networks norm1, conv1."""
    return {re.sub(r"(\.denselayer\d+\.(?:norm|conv))\.([12]\.)", r"\1\2", key): t for key, t in tensors.items()}


def _small_cnn(*, pretrained: bool) -> Backbone:
    if pretrained:
        raise InputError("small_cnn has no ImageNet weights; give --weights none, or --weights PATH.")
    return Backbone(SmallCNN(), SmallCNN.feature_dim, stages=numbered("stem", ["stage1", "stage2", "stage3"]))


def _timm(name: str, *, pretrained: bool) -> Backbone:
    if not timm.is_model(name):
        raise _unknown_timm_model(name)
    try:
        about = timm.models.get_pretrained_cfg(name)
    except RuntimeError as error:  # an unknown tag behind the dot
        tags = list(timm.list_pretrained(f"{name.partition('.')[0]}.*"))
        raise unknown_choice("timm weights", name, tags) from error
    address = (about.hf_hub_id or str(about.url)) if about else ""
    if pretrained:
        if not about or not address:
            raise InputError(f"timm has no pretrained weights for {name}; give --weights none, or --weights PATH.")
        if about.hf_hub_id:
            require_reachable(f"timm:{name}", about.hf_hub_id)
    try:
        network: Any = timm.create_model(name, pretrained=pretrained, num_classes=0)
    except OSError as error:
        raise no_download(f"timm:{name}", address, error) from error
    # Where a network has a hidden layer in its head, its features are that layer's.
    feature_dim = int(getattr(network, "head_hidden_size", None) or network.num_features)
    own = network.pretrained_cfg
    mean, std = colour(own["mean"], f"{name}'s mean"), colour(own["std"], f"{name}'s std")
    return Backbone(network, feature_dim, mean, std, timm_stages(network))


def _unknown_timm_model(name: str) -> InputError:
    """An error for a name that timm does not know, with the nearest ones."""
    near = difflib.get_close_matches(name.partition(".")[0], timm.list_models(), n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    return InputError(f"timm has no model {name!r}; timm.list_models() lists them.{hint}")


BACKBONES: dict[str, Callable[..., Backbone]] = {
    "efficientnet_lite0": _lite0,
    "resnet18": partial(_resnet, "resnet18"),
    "resnet50": partial(_resnet, "resnet50"),
    "densenet121": partial(_densenet, "densenet121"),
    "small_cnn": _small_cnn,
}
"""Built-in backbones: ``BACKBONES[name](pretrained=...)`` builds one."""
