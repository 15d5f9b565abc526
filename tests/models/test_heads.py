import pytest
import torch
from torch import nn

from landscape.errors import InputError
from landscape.models import build_head


def test_linear_head_is_one_layer():
    head = build_head(12, 5)
    assert isinstance(head, nn.Linear)
    assert (head.in_features, head.out_features) == (12, 5)


def test_nonlinear_head_has_domainbeds_shapes():
    head = build_head(16, 5, head="nonlinear")
    shapes = [tuple(layer.weight.shape) for layer in head if isinstance(layer, nn.Linear)]
    assert shapes == [(8, 16), (4, 8), (5, 4)]
    codes = torch.randn(3, 16)
    by_hand = codes
    for layer in (head[0], head[2]):
        by_hand = (by_hand @ layer.weight.T + layer.bias).clamp(min=0)
    torch.testing.assert_close(head(codes), by_hand @ head[4].weight.T + head[4].bias)


def test_unknown_head():
    with pytest.raises(InputError, match="nonlinear"):
        build_head(4, 2, head="non-linear")
