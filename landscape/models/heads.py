"""Classifiers on top of latent codes."""

from typing import Literal

from torch import nn

from landscape.errors import unknown_choice

Head = Literal["linear", "nonlinear"]


def build_head(feature_dim: int, num_classes: int, *, head: Head = "linear") -> nn.Module:
    """Classifier from latent codes (B, D) to logits (B, K).

    ``linear`` is one layer D-K; ``nonlinear`` is D-D/2-D/4-K with ReLU between (DomainBed, ``networks.Classifier``).

    Raises:
        InputError: an unknown head.
    """
    if head == "linear":
        return nn.Linear(feature_dim, num_classes)
    if head == "nonlinear":
        return nn.Sequential(
            nn.Linear(feature_dim, feature_dim // 2),
            nn.ReLU(),
            nn.Linear(feature_dim // 2, feature_dim // 4),
            nn.ReLU(),
            nn.Linear(feature_dim // 4, num_classes),
        )
    raise unknown_choice("head", head, ("linear", "nonlinear"))
