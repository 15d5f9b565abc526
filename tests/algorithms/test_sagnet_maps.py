"""SagNet's form on feature maps: one step by hand, stage by stage."""

import copy

import pytest
import torch
import torch.nn.functional as F
from small import batch, made, network, run
from torch import nn

from landscape.algorithms.catalogue import METHODS
from landscape.algorithms.loops.sagnet import other_content, other_style
from landscape.data import Minibatch
from landscape.errors import InputError
from landscape.models import Network, build_network
from landscape.seeding import torch_generator


def staged() -> Network:
    torch.manual_seed(0)
    return build_network("small_cnn", num_classes=2, weights="none", batch_norm="frozen")


@pytest.mark.parametrize("clip", [1e-4, 10.0])
def test_a_step_is_three_gradients_at_the_same_weights(clip: float) -> None:
    small = batch()
    minibatch = Minibatch(torch.randn(3, 5, 3, 16, 16), small.labels, small.rows)
    images, labels = minibatch.images.flatten(0, 1), minibatch.labels.flatten()
    net = staged()
    options = METHODS["sagnet-maps"].options(weight=0.7, clip=clip)
    algorithm = made(net, run("sagnet-maps", options=options, image_size=16))
    twin = copy.deepcopy(net)
    tail, head = copy.deepcopy(twin.featurizer.backbone.stage3), copy.deepcopy(algorithm.modules["style"].classifier)
    draws = torch_generator(0, "algorithm", 1, "styles")
    metrics = algorithm.update(minibatch, 1)

    backbone = twin.featurizer.backbone
    maps = backbone.stage2(backbone.stage1(backbone.stem(images)))
    loss = F.cross_entropy(twin.classifier(backbone.stage3(other_style(maps, draws)).mean((2, 3))), labels)
    answer = head(tail(other_content(maps, draws)).mean((2, 3)))
    style, adversarial = F.cross_entropy(answer, labels), -(answer.softmax(1) + 1e-5).log().mean()
    parameters, styled = list(twin.parameters()), [*tail.parameters(), *head.parameters()]
    norms = [p for part in (backbone.stem, backbone.stage1, backbone.stage2) for p in part[1].parameters()]
    first = torch.autograd.grad(loss, parameters, retain_graph=True)
    second = torch.autograd.grad(style, styled, retain_graph=True)
    third = torch.autograd.grad(0.7 * adversarial, norms)
    length = torch.cat([gradient.flatten() for gradient in third]).norm()
    assert (length > clip) == (clip < 1)
    with torch.no_grad():
        for parameter, gradient in zip(parameters, first, strict=True):
            parameter -= 0.1 * gradient
        for parameter, gradient in zip(styled, second, strict=True):
            parameter -= 0.1 * gradient
        for parameter, gradient in zip(norms, third, strict=True):
            parameter -= 0.1 * gradient * min(1, clip / length)
    for name, parameter in net.named_parameters():
        torch.testing.assert_close(parameter, twin.get_parameter(name), rtol=1e-5, atol=1e-6)
    mine = {name: p for name, p in algorithm.modules["style"].named_parameters() if p.requires_grad}
    assert len(mine) == len(styled)
    for (name, parameter), expected in zip(mine.items(), styled, strict=True):
        torch.testing.assert_close(parameter, expected, rtol=1e-5, atol=1e-6, msg=name)
    for name, value in {"loss": loss, "loss_style": style, "loss_adversarial": adversarial}.items():
        torch.testing.assert_close(metrics[name], value.detach())


def test_what_it_needs_of_a_network_is_said_before_the_first_step() -> None:
    with pytest.raises(InputError, match="stage3, the last stage"):
        made(staged(), run("sagnet-maps", options=METHODS["sagnet-maps"].options(stage="stage3"), image_size=16))
    with pytest.raises(InputError, match="needs named stages"):
        made(network(), run("sagnet-maps"))

    class Bare(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.second(self.first(images)).mean((2, 3))

    net = Network(
        Bare(),
        nn.Linear(4, 2),
        feature_dim=4,
        num_classes=2,
        stages={"stage1": "featurizer.first", "stage2": "featurizer.second"},
    )
    with pytest.raises(InputError, match="moves batch norm before stage1, but network has none there"):
        made(net, run("sagnet-maps", options=METHODS["sagnet-maps"].options(stage="stage1"), image_size=16))
