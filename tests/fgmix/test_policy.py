"""The weight policy: what each row of Table 2 does, and where gradients go."""

import dataclasses
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from landscape.algorithms.catalogue import METHODS
from landscape.config import MixupConfig
from landscape.errors import InputError
from landscape.fgmix import (
    VARIANTS,
    Discriminator,
    Gradients,
    Groups,
    LinearGradients,
    PolicyWeights,
    WeightPolicy,
    adversarial_loss,
    backward_parts,
    classifier_gradients,
    cosine_weights,
    extrapolated,
    flatness_loss,
    mix_codes,
    policy_loss,
    sample_groups,
    scale_and_shift,
    score_sums,
)

FEATURES, CLASSES, SOURCES, BATCH = 6, 3, 3, 8

# Table 2 and section 4.4: similarity-based weights, gradient-based, scaling and shifting, L_flat, L_adv.
TABLE_2 = {
    "a": (0, 0, 0, 0, 0),
    "b": (1, 0, 0, 0, 0),
    "c": (1, 1, 0, 0, 0),
    "d": (1, 1, 1, 0, 0),
    "e": (1, 1, 1, 1, 0),
    "f": (1, 0, 1, 1, 1),
    "fgmix": (1, 1, 1, 1, 1),
}


@dataclass
class Step:
    """One minibatch and what a policy makes of it."""

    name: str
    config: MixupConfig
    classifier: nn.Module
    codes: Tensor
    labels: Tensor
    gradients: Gradients
    groups: Groups
    policy: WeightPolicy
    discriminator: Discriminator

    def weights(self, seed: int = 0) -> PolicyWeights:
        gradients = self.gradients if self.policy.needs_gradients else None
        return self.policy(self.codes, gradients, self.groups, np.random.default_rng(seed))

    def loss(self, weights: PolicyWeights):
        return policy_loss(
            VARIANTS[self.name],
            self.config,
            self.classifier,
            self.discriminator if VARIANTS[self.name].adversarial else None,
            self.codes,
            self.labels,
            self.groups,
            weights,
            generator=torch.Generator().manual_seed(7),
        )


def step(name: str = "fgmix", *, head: str = "linear", count: int = 16, **settings) -> Step:
    torch.manual_seed(0)
    config = MixupConfig(codes=count, hidden=8, directions=10, **settings)
    classifier: nn.Module = nn.Linear(FEATURES, CLASSES)
    if head == "nonlinear":
        classifier = nn.Sequential(nn.Linear(FEATURES, 4), nn.ReLU(), nn.Linear(4, CLASSES))
    classifier = classifier.double()
    codes = torch.randn(SOURCES * BATCH, FEATURES).double().requires_grad_()
    labels = torch.randint(0, CLASSES, (SOURCES, BATCH))
    return Step(
        name,
        config,
        classifier,
        codes,
        labels.reshape(-1),
        classifier_gradients(classifier, codes, labels.reshape(-1)),
        sample_groups(labels, count=count, generator=np.random.default_rng(0)),
        WeightPolicy(VARIANTS[name], config, classifier=classifier, feature_dim=FEATURES).double(),
        Discriminator(FEATURES, hidden=8).double(),
    )


@pytest.mark.parametrize("name", TABLE_2)
def test_switches_are_those_of_table_2(name: str) -> None:
    variant = VARIANTS[name]
    similarity = variant.weights in ("code-cosine", "gradient-cosine", "learned")
    assert TABLE_2[name] == (
        similarity,
        variant.inputs == "gradient",
        variant.scaling != "none",
        variant.flatness,
        variant.adversarial,
    )
    assert variant.learned == variant.flatness == (name in ("e", "f", "fgmix"))
    assert variant.needs_gradients == bool(TABLE_2[name][1])


def test_every_row_that_mixes_is_a_variant() -> None:
    assert set(VARIANTS) == {name for name, row in METHODS.items() if row.options is MixupConfig}


class Unreadable:
    """Raises on any use."""

    def __getattr__(self, name: str):
        raise AssertionError(f"read {name} of the gradients")

    def __getitem__(self, rows: object):
        raise AssertionError("read the gradients")


@pytest.mark.parametrize("name", ["a0", "a", "b", "f"])
def test_code_based_variants_never_read_gradients(name: str) -> None:
    case = step(name)
    generator = np.random.default_rng(0)
    a = case.policy(case.codes, Unreadable(), case.groups, generator)
    b = case.policy(case.codes, None, case.groups, np.random.default_rng(0))
    assert torch.equal(a.scaled, b.scaled)


@pytest.mark.parametrize("name", ["c", "d", "e0", "e", "fgmix"])
def test_gradient_based_variants_read_only_gradients(name: str) -> None:
    case = step(name)
    expected = case.weights().scaled
    moved = case.policy(torch.full_like(case.codes, torch.nan), case.gradients, case.groups)
    assert torch.equal(moved.scaled, expected)
    with pytest.raises(InputError, match="weighs instances by their classifier gradients"):
        case.policy(case.codes, None, case.groups)


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("head", ["linear", "nonlinear"])
def test_weights_sum_to_one_and_softmax_interpolates(name: str, head: str) -> None:
    case = step(name, head=head)
    weights = case.weights()
    for rows in (weights.softmax, weights.scaled):
        assert rows.shape == (16, SOURCES)
        assert rows.sum(1).tolist() == pytest.approx([1.0] * 16, abs=1e-6)
    assert not extrapolated(weights.softmax).any()
    scale = 3.0 if name in ("d", "e0", "e", "f", "fgmix") else 1.0
    assert weights.scale == scale
    torch.testing.assert_close(weights.scaled, scale_and_shift(weights.softmax, scale))
    assert (isinstance(case.policy.scale, nn.Parameter)) == (VARIANTS[name].learned and name != "e0")
    assert bool(list(case.policy.parameters())) == VARIANTS[name].learned
    assert weights.scaled.requires_grad == VARIANTS[name].learned


def test_random_variants_draw_copies_and_interpolations() -> None:
    copies, mixed = step("a0").weights().scaled, step("a").weights().scaled
    assert ((copies == 0) | (copies == 1)).all()
    assert (mixed > 0).all()
    assert not torch.equal(mixed, step("a").weights(seed=1).scaled)
    case = step("a")
    with pytest.raises(InputError, match="give the policy a generator"):
        case.policy(case.codes, None, case.groups)


def test_cosine_variants_use_codes_and_gradients() -> None:
    b, c, d = step("b"), step("c"), step("d", scale_init=5.0)
    torch.testing.assert_close(b.weights().scaled, cosine_weights(b.codes.detach(), b.groups.rows))
    assert isinstance(c.gradients, LinearGradients)
    torch.testing.assert_close(c.weights().scaled, cosine_weights(c.gradients.dense(), c.groups.rows))
    torch.testing.assert_close(d.weights().scaled, scale_and_shift(c.weights().softmax, 5.0))


def test_learned_weights_are_the_softmax_of_summed_scores() -> None:
    for name in ("fgmix", "f"):
        case = step(name)
        inputs = case.codes.detach() if name == "f" else case.gradients
        scores = case.policy.score(inputs, case.groups.rows)
        torch.testing.assert_close(case.weights().softmax, torch.softmax(score_sums(scores), 1))


def test_policy_input_sizes() -> None:
    sizes = {
        ("fgmix", "linear"): CLASSES * (FEATURES + 1),
        ("f", "linear"): FEATURES,
        ("fgmix", "nonlinear"): 4 * (FEATURES + 1) + CLASSES * 5,
    }
    for (name, head), size in sizes.items():
        assert step(name, head=head).policy.score.in_features == size


@pytest.mark.parametrize("name", ["e", "f", "fgmix"])
def test_objective_is_eq_8_with_the_terms_of_the_variant(name: str) -> None:
    case = step(name, eta=0.3, radius=2.0, flat_loss="squared", flat_data="generated", generator_loss="non-saturating")
    weights = case.weights()
    loss = case.loss(weights)
    flat = flatness_loss(
        case.classifier,
        case.codes,
        case.labels,
        case.groups.rows,
        weights.scaled,
        case.groups.labels,
        radius=2.0,
        directions=10,
        difference="squared",
        data="generated",
        generator=torch.Generator().manual_seed(7),
    )
    mixed = mix_codes(case.codes.detach(), case.groups.rows, weights.scaled)
    adv = adversarial_loss(case.discriminator, mixed, form="non-saturating")
    torch.testing.assert_close(loss.flat, flat)
    torch.testing.assert_close(loss.adv, torch.zeros_like(adv) if name == "e" else adv)
    torch.testing.assert_close(loss.total, flat if name == "e" else flat + 0.3 * adv)


@pytest.mark.parametrize("name", ["a0", "a", "b", "c", "d"])
def test_fixed_policies_have_nothing_to_learn(name: str) -> None:
    case = step(name)
    weights = case.weights()
    loss = case.loss(weights)
    assert float(loss.total) == float(loss.flat) == float(loss.adv) == 0
    assert not any(backward_parts(case.policy, weights, loss).values())


def test_relative_radius_reaches_the_flatness_loss() -> None:
    case = step("e", radius=0.5, radius_relative=True)
    norm = torch.cat([parameter.flatten() for parameter in case.classifier.parameters()]).detach().norm()
    other = step("e", radius=0.5 * float(norm))
    torch.testing.assert_close(case.loss(case.weights()).flat, other.loss(other.weights()).flat)


@pytest.mark.parametrize("head", ["linear", "nonlinear"])
@pytest.mark.parametrize("name", ["e", "f", "fgmix"])
def test_gradient_reaches_the_policy_only(name: str, head: str) -> None:
    case = step(name, head=head)
    case.loss(case.weights()).total.backward()
    assert all(parameter.grad is not None for parameter in case.policy.parameters())
    assert case.codes.grad is None
    others = [*case.classifier.parameters(), *case.discriminator.parameters()]
    assert all(parameter.grad is None for parameter in others)


@pytest.mark.parametrize("head", ["linear", "nonlinear"])
@pytest.mark.parametrize("name", ["e", "f", "fgmix"])
def test_policy_gradient_by_finite_differences(name: str, head: str) -> None:
    case = step(name, head=head, count=4, eta=0.5)
    case.loss(case.weights()).total.backward()
    generator = torch.Generator().manual_seed(1)
    for parameter in case.policy.parameters():
        direction = torch.randn(parameter.shape, dtype=torch.float64, generator=generator)
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                parameter += sign * 1e-6 * direction
            values.append(float(case.loss(case.weights()).total.detach()))
            with torch.no_grad():
                parameter -= sign * 1e-6 * direction
        slope = float((parameter.grad * direction).sum())
        assert (values[0] - values[1]) / 2e-6 == pytest.approx(slope, rel=1e-4, abs=1e-9)


@pytest.mark.parametrize("head", ["linear", "nonlinear"])
@pytest.mark.parametrize("name", ["e", "f", "fgmix"])
def test_backward_parts_equals_backward_and_gives_both_norms(name: str, head: str) -> None:
    case = step(name, head=head, gradient_norm="layernorm")
    parameters = dict(case.policy.named_parameters())
    weights = case.weights()
    loss = case.loss(weights)
    expected = torch.autograd.grad(loss.total, list(parameters.values()), retain_graph=True)
    parts = {"flat": loss.flat, "adv": loss.eta * loss.adv}
    norms = {f"{part}_{over}": 0.0 for part in parts for over in ("phi", "scale")}
    for part, value in parts.items():
        if value.requires_grad:
            gradients = dict(
                zip(parameters, torch.autograd.grad(value, list(parameters.values()), retain_graph=True), strict=True)
            )
            norms[f"{part}_scale"] = float(gradients.pop("scale").abs())
            norms[f"{part}_phi"] = float(torch.cat([gradient.flatten() for gradient in gradients.values()]).norm())
    for parameter in parameters.values():
        parameter.grad = torch.ones_like(parameter)
    measured = backward_parts(case.policy, weights, loss)
    assert {key: float(value) for key, value in measured.items()} == pytest.approx(norms)
    assert (measured["adv_phi"] == 0) == (name == "e")
    for parameter, gradient in zip(parameters.values(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


def test_without_groups_nothing_is_learned() -> None:
    case = step()
    none = dataclasses.replace(
        case.groups, rows=case.groups.rows[:0], labels=case.groups.labels[:0], domains=case.groups.domains[:0]
    )
    case.groups = none
    for name in VARIANTS:
        case.policy = WeightPolicy(VARIANTS[name], case.config, classifier=case.classifier, feature_dim=FEATURES)
        case.policy.double()
        assert case.weights().scaled.shape == (0, SOURCES)
    case = dataclasses.replace(step(), groups=none)
    weights = case.weights()
    loss = case.loss(weights)
    assert float(loss.total) == 0
    optimizer = torch.optim.Adam(case.policy.parameters())
    before = {name: value.clone() for name, value in case.policy.state_dict().items()}
    assert not any(backward_parts(case.policy, weights, loss).values())
    optimizer.step()
    assert all(torch.equal(value, before[name]) for name, value in case.policy.state_dict().items())


def test_adversarial_term_needs_a_discriminator() -> None:
    case = step()
    with pytest.raises(InputError, match="got no discriminator"):
        policy_loss(
            VARIANTS["fgmix"],
            case.config,
            case.classifier,
            None,
            case.codes,
            case.labels,
            case.groups,
            case.weights(),
            generator=torch.Generator(),
        )


def test_the_bound_on_lambda_projects_and_lets_it_come_back() -> None:
    case = step("e", scale_min=1.0)
    with torch.no_grad():
        case.policy.scale.fill_(-2.0)
    weights = case.weights()
    assert float(weights.scale) == case.policy.scale.item() == 1.0
    case.loss(weights).total.backward()
    assert case.policy.scale.grad != 0
    free = step("e")
    with torch.no_grad():
        free.policy.scale.fill_(-2.0)
    assert float(free.weights().scale) == -2.0
    # Only a learned lambda is bounded.
    assert float(step("d", scale_init=1.0, scale_min=2.0).weights().scale) == 1.0


def test_learning_makes_the_weights_flatter() -> None:
    case = step("e", radius=2.0)
    optimizer = torch.optim.Adam(case.policy.parameters(), lr=1e-2)
    values = []
    for _ in range(30):
        weights = case.weights()
        loss = case.loss(weights)
        backward_parts(case.policy, weights, loss)
        optimizer.step()
        values.append(float(loss.flat.detach()))
    assert values[-1] < values[0]


def test_state_survives_a_round_trip() -> None:
    case, other = step(), step()
    with torch.no_grad():
        for parameter in case.policy.parameters():
            parameter.add_(0.1)
    other.policy.load_state_dict(case.policy.state_dict())
    assert torch.equal(other.weights().scaled, case.weights().scaled)
