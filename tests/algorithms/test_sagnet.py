"""SagNet: styles and contents by loops over samples, and a step of three updates by hand."""

import copy

import pytest
import torch
import torch.nn.functional as F
from small import assert_moved_by, batch, made, network, run, weights

from landscape.algorithms.catalogue import METHODS
from landscape.algorithms.loops.sagnet import other_content, other_style
from landscape.seeding import torch_generator


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


@pytest.mark.parametrize("shape", [(4, 6), (4, 3, 2, 5)])
def test_styles_and_contents_one_sample_at_a_time(shape: tuple[int, ...]) -> None:
    features = torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    styled = other_style(features, generator())
    swapped = other_content(features, generator())
    draws = generator()
    shares, other = torch.rand(4, generator=draws), torch.randperm(4, generator=draws)
    other_for_content = torch.randperm(4, generator=generator())
    # A code has one style; a feature map one in each channel.
    channels = [slice(None)] if len(shape) == 2 else list(range(shape[1]))
    for n in range(4):
        for c in channels:
            own, partner = features[n, c], features[other[n], c]
            mean = shares[n] * own.mean() + (1 - shares[n]) * partner.mean()
            variance = shares[n] * own.var() + (1 - shares[n]) * partner.var()
            normal = (own - own.mean()) / (own.var() + 1e-5).sqrt()
            torch.testing.assert_close(styled[n, c], normal * (variance + 1e-5).sqrt() + mean)
            lender = features[other_for_content[n], c]
            content = (lender - lender.mean()) / (lender.var() + 1e-5).sqrt()
            torch.testing.assert_close(swapped[n, c], content * (own.var() + 1e-5).sqrt() + own.mean())


def test_the_swapped_content_is_a_constant_for_the_gradient() -> None:
    features = torch.randn(4, 6, generator=generator(), requires_grad=True)
    # With constant contents the sum over coordinates depends on the own mean alone, up to the contents' zero sum.
    other_content(features, generator()).sum().backward()
    torch.testing.assert_close(features.grad, torch.ones_like(features), rtol=0, atol=1e-4)


def test_a_step_is_three_updates() -> None:
    torch.manual_seed(1)
    net, minibatch = network(), batch()
    algorithm = made(net, run("sagnet", options=METHODS["sagnet"].options(weight=0.7)))
    images, labels = minibatch.images.flatten(0, 1), minibatch.labels.flatten()
    twin, head = copy.deepcopy(net), copy.deepcopy(algorithm.modules["style"])
    draws = torch_generator(0, "algorithm", 2, "styles")
    metrics = algorithm.update(minibatch, 2)

    def step(loss: torch.Tensor, module: torch.nn.Module) -> None:
        parameters = list(module.parameters())
        found = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            for parameter, gradient in zip(parameters, found, strict=True):
                parameter -= 0.1 * gradient

    loss = F.cross_entropy(twin.classifier(other_style(twin.featurizer(images), draws)), labels)
    step(loss, twin)
    style = F.cross_entropy(head(other_content(twin.featurizer(images).detach(), draws)), labels)
    step(style, head)
    adversarial = -F.log_softmax(head(other_content(twin.featurizer(images), draws)), 1).mean()
    step(0.7 * adversarial, twin.featurizer)
    for mine, theirs in ((net, twin), (algorithm.modules["style"], head)):
        assert_moved_by(weights(theirs), mine, [torch.zeros(()) for _ in theirs.parameters()])
    for name, value in {"loss": loss, "loss_style": style, "loss_adversarial": adversarial}.items():
        torch.testing.assert_close(metrics[name], value.detach())
