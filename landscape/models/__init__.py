"""Networks for domain generalization: featurizer + classifier, by name or the user's own."""

from landscape.models.backbones import BACKBONES, Backbone, Featurizer, build_backbone
from landscape.models.build import build_network
from landscape.models.heads import build_head
from landscape.models.network import Network, resolve_batch_norm

__all__ = [
    "BACKBONES",
    "Backbone",
    "Featurizer",
    "Network",
    "build_backbone",
    "build_head",
    "build_network",
    "resolve_batch_norm",
]
