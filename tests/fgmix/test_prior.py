"""The prior's moments and the discriminator's losses."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import stats
from sklearn.metrics import accuracy_score, log_loss
from torch import nn

from landscape.errors import InputError
from landscape.fgmix import (
    Discriminator,
    FeatureMoments,
    adversarial_loss,
    discriminator_accuracy,
    discriminator_loss,
)


def batches(count: int = 6) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [(step + 1) * torch.randn(10, 3, generator=generator) + step for step in range(count)]


def test_the_first_minibatch_initialises_the_moments() -> None:
    moments, first = FeatureMoments(3, momentum=0.9), batches()[0]
    moments.update(first)
    np.testing.assert_allclose(moments.mean, first.numpy().mean(0), rtol=1e-5)
    np.testing.assert_allclose(moments.variance, first.numpy().var(0), rtol=1e-5)


def test_moving_averages_equal_their_closed_form() -> None:
    m, data = 0.7, batches()
    moments = FeatureMoments(3, momentum=m).double()
    for batch in data:
        moments.update(batch.double())
    # m^(T-1) x_1 + (1 - m) sum_{t > 1} m^(T-t) x_t
    last = len(data) - 1
    factors = [m**last, *((1 - m) * m ** (last - step) for step in range(1, len(data)))]
    assert sum(factors) == pytest.approx(1)
    for held, statistic in ((moments.mean, np.mean), (moments.variance, np.var)):
        expected = sum(
            factor * statistic(batch.double().numpy(), axis=0) for factor, batch in zip(factors, data, strict=True)
        )
        np.testing.assert_allclose(held, expected, rtol=1e-12)
    assert int(moments.updates) == len(data)


def test_moments_continue_from_their_state() -> None:
    data = batches()
    whole, half, rest = (FeatureMoments(3) for _ in range(3))
    for batch in data:
        whole.update(batch)
    for batch in data[:3]:
        half.update(batch)
    rest.load_state_dict(half.state_dict())
    for batch in data[3:]:
        rest.update(batch.requires_grad_())
    assert all(torch.equal(value, rest.state_dict()[name]) for name, value in whole.state_dict().items())


def test_samples_are_from_the_gaussian() -> None:
    moments = FeatureMoments(2)
    moments.update(torch.tensor([[0.0, 5.0], [4.0, 5.0]]))
    draws = moments.sample(4000, torch.Generator().manual_seed(0))
    assert stats.kstest(draws[:, 0].numpy(), stats.norm(2, 2).cdf).pvalue > 1e-3
    assert (draws[:, 1] == 5).all()
    assert torch.equal(draws, moments.sample(4000, torch.Generator().manual_seed(0)))
    with pytest.raises(InputError, match="has seen no minibatch"):
        FeatureMoments(2).sample(1, torch.Generator())


@pytest.mark.parametrize("activation", ["tanh", "relu", "leaky_relu"])
def test_discriminator_is_a_two_layer_mlp(activation: str) -> None:
    discriminator = Discriminator(7, activation=activation)
    assert [tuple(parameter.shape) for parameter in discriminator.parameters()] == [(64, 7), (64,), (1, 64), (1,)]
    codes = torch.randn(5, 7, generator=torch.Generator().manual_seed(0))
    first, last = discriminator.layers[0], discriminator.layers[2]
    hidden = {"tanh": torch.tanh, "relu": F.relu, "leaky_relu": F.leaky_relu}[activation](first(codes))
    torch.testing.assert_close(discriminator(codes), last(hidden)[:, 0])


def setup() -> tuple[Discriminator, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return Discriminator(3, hidden=5).double(), torch.randn(8, 3).double(), 1 + torch.randn(8, 3).double()


def test_discriminator_loss_is_binary_cross_entropy() -> None:
    discriminator, prior, generated = setup()
    generated.requires_grad_()
    loss = discriminator_loss(discriminator, prior, generated)
    logits = torch.cat([discriminator(prior), discriminator(generated)]).detach()
    targets = torch.cat([torch.ones(8), torch.zeros(8)])
    assert float(loss.detach()) == pytest.approx(2 * log_loss(targets, torch.sigmoid(logits)))
    expected = 2 * F.binary_cross_entropy_with_logits(logits, targets.double())
    assert float(loss.detach()) == pytest.approx(float(expected))
    loss.backward()
    assert generated.grad is None
    assert all(parameter.grad is not None for parameter in discriminator.parameters())


def test_accuracy_is_sklearns() -> None:
    discriminator, prior, generated = setup()
    for codes, real in ((prior, True), (generated, False)):
        said = torch.sigmoid(discriminator(codes).detach()) > 0.5
        expected = accuracy_score([real] * 8, said.tolist())
        assert float(discriminator_accuracy(discriminator, codes, real=real)) == pytest.approx(expected)


def test_adversarial_forms_and_where_their_gradient_goes() -> None:
    discriminator, _, generated = setup()
    probability = torch.sigmoid(discriminator(generated)).detach()
    generated.requires_grad_()
    for form, expected in (
        ("saturating", torch.log(1 - probability).mean()),
        ("non-saturating", -torch.log(probability).mean()),
    ):
        loss = adversarial_loss(discriminator, generated, form=form)
        assert float(loss.detach()) == pytest.approx(float(expected))
        (gradient,) = torch.autograd.grad(loss, generated)
        loss = adversarial_loss(discriminator, generated - 1e-3 * gradient, form=form)
        assert float(loss.detach()) < float(expected)
        # Either form lowers its loss by being taken for the prior.
        moved = torch.sigmoid(discriminator(generated - 1e-3 * gradient)).detach()
        assert moved.mean() > probability.mean()
        adversarial_loss(discriminator, generated, form=form).backward()
        assert all(parameter.grad is None for parameter in discriminator.parameters())
    assert generated.grad is not None


def test_losses_stay_finite_when_the_discriminator_is_sure() -> None:
    discriminator = nn.Sequential(nn.Linear(1, 1, bias=False), nn.Flatten(0))
    with torch.no_grad():
        discriminator[0].weight.fill_(1.0)
    codes = torch.tensor([[300.0], [-300.0]])
    for form in ("saturating", "non-saturating"):
        assert math.isfinite(adversarial_loss(discriminator, codes, form=form))
    assert math.isfinite(discriminator_loss(discriminator, codes, codes).detach())
