"""MixStyle image by image, its pairs, and that it acts behind the stages it names."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small import assert_moved_by, batch, made, run, weights
from torch import nn

from landscape.algorithms.catalogue import METHODS
from landscape.algorithms.features.mixstyle import mix_styles, ring_partners
from landscape.data import Minibatch
from landscape.errors import InputError
from landscape.models import Network, build_network
from landscape.seeding import numpy_generator


def staged() -> Network:
    torch.manual_seed(0)
    return build_network("small_cnn", num_classes=2, weights="none", batch_norm="train").double()


def images() -> Minibatch:
    torch.manual_seed(2)
    small = batch()
    return Minibatch(torch.randn(3, 5, 3, 16, 16, dtype=torch.float64), small.labels, small.rows)


def test_one_image_and_channel_at_a_time() -> None:
    generator = np.random.default_rng(0)
    maps = torch.from_numpy(generator.standard_normal((4, 3, 5, 2)))
    own, partner = generator.random(4), np.array([2, 0, 3, 1])
    mixed = mix_styles(maps, own, partner)
    for n in range(4):
        for c in range(3):
            one, other = maps[n, c].numpy(), maps[partner[n], c].numpy()
            sigma, theirs = (np.sqrt(each.var(ddof=1) + 1e-6) for each in (one, other))
            mean = own[n] * one.mean() + (1 - own[n]) * other.mean()
            expected = (one - one.mean()) / sigma * (own[n] * sigma + (1 - own[n]) * theirs) + mean
            np.testing.assert_allclose(mixed[n, c].numpy(), expected, rtol=1e-5, atol=1e-5)


def test_statistics_are_constants_for_the_gradient() -> None:
    maps = torch.randn(2, 1, 3, 3, dtype=torch.float64, requires_grad=True)
    mix_styles(maps, np.array([1.0, 1.0]), np.array([1, 0])).sum().backward()
    # With its own statistics an image stays as it is; were they not constant, this would still be 1.
    torch.testing.assert_close(maps.grad, torch.ones_like(maps), rtol=1e-6, atol=1e-6)
    maps.grad = None
    mix_styles(maps, np.array([0.0, 0.0]), np.array([1, 0])).sum().backward()
    sigma = (maps.detach().var((2, 3), keepdim=True) + 1e-6).sqrt()
    torch.testing.assert_close(maps.grad, (sigma.flip(0) / sigma).expand_as(maps), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("domains", "size"), [(2, 4), (3, 5), (4, 6)])
def test_partners_are_mutual_and_from_the_neighbouring_domain(domains: int, size: int) -> None:
    partner = ring_partners(domains, size, np.random.default_rng(1))
    rows = np.arange(domains * size)
    np.testing.assert_array_equal(partner[partner], rows)
    alone = (partner == rows).sum()
    assert alone == (domains if size % 2 else 0)
    steps = (partner // size - rows // size) % domains
    assert set(steps[partner != rows].tolist()) <= {1, domains - 1}


@pytest.mark.parametrize("pairing", ["random", "cross-domain"])
def test_an_update_runs_through_the_mixed_stages(pairing: str) -> None:
    net, minibatch = staged(), images()
    net.classifier.float()  # codes are
    before = weights(net)
    options = METHODS["mixstyle"].options(probability=1.0, alpha=0.3, pairing=pairing)
    twin = staged()
    twin.classifier.float()
    backbone = twin.featurizer.backbone

    def mixed(maps: torch.Tensor, stage: str) -> torch.Tensor:
        draws = numpy_generator(0, "algorithm", 1, "mixstyle", stage)
        draws.random()
        partner = draws.permutation(15) if pairing == "random" else ring_partners(3, 5, draws)
        return mix_styles(maps, draws.beta(0.3, 0.3, 15), partner)

    maps = backbone.stem(minibatch.images.flatten(0, 1))
    maps = mixed(backbone.stage1(maps), "stage1")
    maps = mixed(backbone.stage2(maps), "stage2")
    codes = backbone.stage3(maps).mean((2, 3)).float()
    loss = F.cross_entropy(twin.classifier(codes), minibatch.labels.flatten())
    gradients = torch.autograd.grad(loss, list(twin.parameters()))
    metrics = made(net, run("mixstyle", options=options)).update(minibatch, 1)
    torch.testing.assert_close(metrics["loss"], loss.detach())
    assert_moved_by(before, net, [g.to(old) for g, old in zip(gradients, before.values(), strict=True)])


def test_without_luck_nothing_is_mixed() -> None:
    nets = [staged(), staged()]
    for net, (name, options) in zip(
        nets, [("erm", None), ("mixstyle", METHODS["mixstyle"].options(probability=0.0))], strict=True
    ):
        net.classifier.float()
        made(net, run(name, options=options)).update(images(), 1)
    assert all(torch.equal(a, b) for a, b in zip(nets[0].parameters(), nets[1].parameters(), strict=True))


@pytest.mark.parametrize(
    ("stages", "text"),
    [(("stage3",), "stage3, the last stage"), (("stage9",), "unknown stage of small_cnn 'stage9'")],
)
def test_stages_are_looked_at_before_the_first_step(stages: tuple[str, ...], text: str) -> None:
    with pytest.raises(InputError, match=text):
        made(staged(), run("mixstyle", options=METHODS["mixstyle"].options(stages=stages)))


def test_partners_of_the_next_domain_need_one() -> None:
    with pytest.raises(InputError, match="cross-domain needs two domains, but a is the only one"):
        made(staged(), run("mixstyle", options=METHODS["mixstyle"].options(pairing="cross-domain")), sources=1)


def test_a_network_without_stages_is_told_how_to_get_some() -> None:
    net = Network(nn.Flatten(), nn.Linear(12, 2), feature_dim=12, num_classes=2)
    with pytest.raises(InputError, match="MixStyle needs named stages, but network has none"):
        made(net, run("mixstyle"))
    with pytest.raises(InputError, match="needs feature maps"):
        mix_styles(torch.zeros(2, 3, 4), np.zeros(2), np.array([1, 0]))
