"""One update of each algorithm against the same update written out by hand."""

import copy

import pytest
import torch
import torch.nn.functional as F
from small import BATCH, DIM, SOURCES, assert_first_step, batch, made, network
from torch import nn

from landscape.algorithms import Algorithm
from landscape.algorithms.catalogue import METHODS
from landscape.algorithms.loops import fgmix as module
from landscape.config import MixupConfig, RunConfig
from landscape.data import Minibatch
from landscape.errors import InputError
from landscape.models import Network

FGMIX = [name for name, row in METHODS.items() if row.options is MixupConfig]


def config(algorithm: str, **mixup: object) -> RunConfig:
    settings = {"start": 1, "codes": 7, "directions": 6, "hidden": 5} | mixup
    return RunConfig(algorithm=algorithm, lr=0.01, precision="fp32", mixup=MixupConfig(**settings))  # type: ignore[arg-type]


def test_erm_is_adam_on_the_pooled_mean() -> None:
    net = network()
    before = copy.deepcopy(net)
    b = batch()
    metrics = made(net, config("erm")).update(b, 1)
    # The mean over domains of the domains' means: the same for equal minibatches.
    losses = [F.cross_entropy(before(b.images[d]), b.labels[d]) for d in range(SOURCES)]
    loss = torch.stack(losses).mean()
    torch.testing.assert_close(metrics["loss"], loss.detach())
    assert_first_step(before, net, loss, 0.01)


@pytest.fixture
def caught(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """What the update drew: groups, weights, discriminator inputs."""
    found: dict[str, object] = {}
    sample, loss = module.sample_groups, module.discriminator_loss

    def groups(*args: object, **kwargs: object) -> object:
        found["groups"] = sample(*args, **kwargs)
        return found["groups"]

    def discriminator(net: nn.Module, prior: torch.Tensor, mixed: torch.Tensor) -> torch.Tensor:
        found["before"], found["prior"], found["mixed"] = copy.deepcopy(net), prior, mixed
        return loss(net, prior, mixed)

    monkeypatch.setattr(module, "sample_groups", groups)
    monkeypatch.setattr(module, "discriminator_loss", discriminator)
    return found


def by_hand(before: Network, algorithm: Algorithm, policy: nn.Module, b: Minibatch, caught: dict) -> torch.Tensor:
    """Eq. 2 with the weights taken as constants, one code at a time."""
    images, labels = b.images.flatten(0, 1), b.labels.flatten()
    codes = before.featurizer(images)
    groups = caught["groups"]
    gradients = [
        torch.autograd.grad(F.cross_entropy(before.classifier(z[None]), y[None]), list(before.classifier.parameters()))
        for z, y in zip(codes.detach(), labels, strict=True)
    ]
    flat = torch.stack([torch.cat([g.flatten() for g in each]) for each in gradients])
    generator = module.numpy_generator(algorithm.config.seed, "algorithm", 1, "weights")
    with torch.no_grad():
        weights = policy(codes.detach(), flat, groups, generator).scaled
    total = F.cross_entropy(before.classifier(codes), labels, reduction="sum")
    for m in range(len(groups)):
        code = sum(w * codes[row] for w, row in zip(weights[m], groups.rows[m], strict=True))
        total = total + F.cross_entropy(before.classifier(code[None]), groups.labels[m][None])
    return total / (len(codes) + len(groups))


@pytest.mark.parametrize("head", ["linear", "nonlinear"])
@pytest.mark.parametrize("name", FGMIX)
def test_the_base_update_is_adam_on_equation_2(name: str, head: str, caught: dict) -> None:
    net = network(head)
    before = copy.deepcopy(net)
    torch.manual_seed(3)
    algorithm = made(net, config(name))
    policy = copy.deepcopy(algorithm.policy)
    b = batch()
    metrics = algorithm.update(b, 1)
    loss = by_hand(before, algorithm, policy, b, caught)
    torch.testing.assert_close(metrics["loss"], loss.detach(), rtol=1e-5, atol=1e-6)
    assert_first_step(before, net, loss, 0.01)


def test_the_sum_of_means_is_the_other_reading_of_equation_2(caught: dict) -> None:
    net = network()
    metrics = made(net, config("a", weighting="sum", code_weight=0.5)).update(batch(), 1)
    torch.testing.assert_close(metrics["loss"], metrics["loss_original"] + 0.5 * metrics["loss_mixup"])


def test_the_discriminator_learns_to_tell_the_prior_from_codes(caught: dict) -> None:
    algorithm = made(network(), config("fgmix"))
    algorithm.update(batch(), 1)
    old = caught["before"]
    loss = F.binary_cross_entropy_with_logits(old(caught["prior"]), torch.ones(7)) + F.binary_cross_entropy_with_logits(
        old(caught["mixed"]), torch.zeros(7)
    )
    assert_first_step(old, algorithm.discriminator, loss, algorithm.config.mixup.policy_lr)
    assert not caught["mixed"].requires_grad


@pytest.mark.parametrize("name", ["e", "f", "fgmix"])
def test_the_policy_moves_and_the_fixed_ones_do_not(name: str) -> None:
    algorithm = made(network(), config(name))
    before = {key: value.clone() for key, value in algorithm.policy.state_dict().items()}
    algorithm.update(batch(), 1)
    after = algorithm.policy.state_dict()
    # The output bias cancels in the softmax; everything else learns.
    assert [key for key in before if torch.equal(before[key], after[key])] in ([], ["score.tail.3.bias"])
    if name == "e":
        control = made(network(), config("e0"))  # E's score learns, lambda does not
        start = {key: value.clone() for key, value in control.policy.state_dict().items()}
        control.update(batch(), 1)
        now = control.policy.state_dict()
        same = [key for key in start if torch.equal(start[key], now[key])]
        assert same in (["scale"], ["scale", "score.tail.3.bias"])
        assert all(torch.equal(now[key], after[key]) for key in now if key != "scale")
    for fixed in ("a0", "a", "b", "c", "d"):
        algorithm = made(network(), config(fixed))
        assert "policy" not in algorithm.optimizers
        algorithm.update(batch(), 1)
        assert float(algorithm.policy.scale) == (3.0 if fixed == "d" else 1.0)


@pytest.mark.parametrize("name", ["e", "fgmix"])
def test_the_policy_learns_from_the_classifier_before_its_update(
    name: str, caught: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = network()
    before = {key: value.clone() for key, value in net.classifier.state_dict().items()}
    loss, seen = module.policy_loss, []

    def policy_loss(variant: object, mixup: object, classifier: nn.Module, *args: object, **kwargs: object) -> object:
        seen.append({key: value.clone() for key, value in classifier.state_dict().items()})
        return loss(variant, mixup, classifier, *args, **kwargs)

    monkeypatch.setattr(module, "policy_loss", policy_loss)
    made(net, config(name)).update(batch(), 1)
    (used,) = seen
    assert all(torch.equal(used[key], before[key]) for key in before)
    assert not all(torch.equal(net.classifier.state_dict()[key], before[key]) for key in before)


def test_variants_have_the_parts_of_table_2(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*args: object) -> None:
        raise AssertionError("a classifier gradient was read")

    logged = {}
    for name in ("a0", "a", "b", "f"):
        with monkeypatch.context() as patch:
            patch.setattr(module, "classifier_gradients", forbidden)
            logged[name] = made(network(), config(name)).update(batch(), 1)
    for name in ("c", "d", "e", "fgmix"):
        with monkeypatch.context() as patch:
            patch.setattr(module, "classifier_gradients", forbidden)
            with pytest.raises(AssertionError, match="was read"):
                made(network(), config(name)).update(batch(), 1)
        logged[name] = made(network(), config(name)).update(batch(), 1)
    assert {name for name, row in logged.items() if "cosine" in row} == {"c", "d", "e", "fgmix"}
    assert {name for name, row in logged.items() if "L_flat" in row} == {"e", "f", "fgmix"}
    assert {name for name, row in logged.items() if "loss_discriminator" in row} == {"f", "fgmix"}
    assert float(logged["e"]["L_adv"]) == 0 == float(logged["e"]["grad_adv_phi"])
    assert float(logged["a0"]["weight_max"]) == 1
    assert all(float(logged[name]["extrapolated"]) == 0 for name in ("a0", "a", "b", "c"))


def test_before_t0_every_algorithm_is_erm() -> None:
    b = batch()
    reference = network()
    made(reference, config("erm")).update(b, 4)
    for name in ("erm", *FGMIX):
        net = network()
        made(net, config(name, start=5)).update(b, 4)
        for a, c in zip(net.parameters(), reference.parameters(), strict=True):
            assert torch.equal(a, c)


def test_a_batch_that_shares_no_class_is_an_erm_step() -> None:
    labels = torch.tensor([[0] * BATCH, [1] * BATCH, [2] * BATCH])
    nets = []
    for name in ("fgmix", "erm"):
        net = network()
        net.classifier = nn.Linear(DIM, 3)
        torch.manual_seed(7)
        nn.init.normal_(net.classifier.weight)
        nn.init.zeros_(net.classifier.bias)
        metrics = made(net, config(name)).update(batch(labels), 1)
        nets.append(net)
        assert torch.isfinite(metrics["loss"])
    for a, b in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        assert torch.equal(a, b)


class Whole(Network):
    """A network without latent codes."""

    split = False  # type: ignore[assignment]


def test_a_network_without_codes_trains_with_erm_only() -> None:
    net = network()
    net.__class__ = Whole
    with pytest.raises(InputError, match="latent codes"):
        made(net, config("fgmix"))
    algorithm = made(net, config("erm"))
    assert torch.isfinite(algorithm.update(batch(), 1)["loss"])
    assert algorithm.tensors() == {}
