"""Gradients, cosines and scores against autograd, one example at a time."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from landscape.algorithms import Facts, build_algorithm
from landscape.checkpoint import Checkpoint
from landscape.correlation import scoring
from landscape.correlation.scoring import Instances, trained_score, untrained_score
from landscape.fgmix import CompatibilityNetwork
from landscape.models import build_network
from landscape.opened import Opened
from landscape.seeding import torch_seed

D, K, R = 5, 3, 14


def classifier_of(kind: str) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Linear(D, K) if kind == "linear" else nn.Sequential(nn.Linear(D, 4), nn.Tanh(), nn.Linear(4, K))


@pytest.fixture(params=["linear", "nonlinear"])
def instances(request) -> Instances:
    generator = torch.Generator().manual_seed(1)
    codes = torch.randn(R, D, generator=generator)
    labels = torch.randint(K, (R,), generator=generator).numpy()
    return Instances.of(10 + 2 * np.arange(R), codes, labels, classifier_of(request.param))


def gradient(instances: Instances, row: int) -> torch.Tensor:
    """Of one image's loss, by autograd."""
    position = list(instances.rows).index(row)
    classifier = copy.deepcopy(instances.classifier).requires_grad_(True)
    loss = F.cross_entropy(classifier(instances.codes[position : position + 1]), instances.labels[position, None])
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(classifier.parameters()))])


def members(n: int = 3) -> np.ndarray:
    return 10 + 2 * np.random.default_rng(0).integers(R, size=(20, n))


def test_cosines_and_norms_are_autograds(instances: Instances) -> None:
    groups = members()
    cosines, norms = instances.geometry(groups)
    for m, group in enumerate(groups):
        each = torch.stack([gradient(instances, row) for row in group])
        np.testing.assert_allclose(norms[m], each.norm(dim=1), rtol=1e-10)
        expected = F.cosine_similarity(each.unsqueeze(1), each.unsqueeze(0), dim=-1)
        np.testing.assert_allclose(cosines[m], expected, atol=1e-10)


def test_scores_are_the_network_on_the_concatenated_gradients(instances: Instances) -> None:
    size = sum(p.numel() for p in instances.classifier.parameters())
    with torch.random.fork_rng():
        torch.manual_seed(2)
        score = CompatibilityNetwork(size, hidden=6).double()
    groups = members()
    got = instances.scores(score, groups)
    first = torch.cat([score.weight[0], score.weight[1]], dim=1)
    for m, group in enumerate(groups):
        each = [gradient(instances, row) for row in group]
        for i in range(3):
            for j in range(3):
                hidden = first @ torch.cat([each[i], each[j]]) + score.bias
                expected = 0.0 if i == j else score.tail(hidden).item()
                assert got[m, i, j] == pytest.approx(expected, abs=1e-10)


def test_small_parts_change_nothing(instances: Instances, monkeypatch: pytest.MonkeyPatch) -> None:
    size = sum(p.numel() for p in instances.classifier.parameters())
    with torch.random.fork_rng():
        torch.manual_seed(2)
        score = CompatibilityNetwork(size, hidden=6).double()
    whole = (instances.scores(score, members()), *instances.geometry(members()))
    monkeypatch.setattr(scoring, "_BUDGET", 400)
    parts = (instances.scores(score, members()), *instances.geometry(members()))
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)


def test_the_network_and_the_generator_are_left_alone() -> None:
    classifier = classifier_of("linear").train()
    before = {name: p.clone() for name, p in classifier.named_parameters()}
    state = torch.get_rng_state()
    Instances.of(np.arange(2), torch.zeros(2, D), np.array([0, 1]), classifier).geometry(np.array([[0, 1]]))
    assert classifier.training
    assert all(p.requires_grad and torch.equal(p, before[name]) for name, p in classifier.named_parameters())
    assert torch.equal(torch.get_rng_state(), state)


def test_the_own_start_is_what_training_begins_with(runs, config) -> None:
    checkpoint = Checkpoint.load(runs["fgmix"].find())
    network = build_network("small_cnn", num_classes=3, weights="none")
    with torch_seed(config.seed, "policy"):  # as the training engine does
        algorithm = build_algorithm(network, config, Facts(("a", "b"), ("x", "y", "z"), (1, 1)))
    start = untrained_score(checkpoint, network.classifier, network.feature_dim)
    assert algorithm.policy.score is not None
    for name, tensor in algorithm.policy.score.state_dict().items():
        torch.testing.assert_close(start.state_dict()[name], tensor.double(), rtol=0, atol=0)
    # Four Adam steps of 1e-3 lie between it and the trained one.
    trained = trained_score(checkpoint, network.classifier, network.feature_dim)
    moved = (trained.weight - start.weight).abs().max().item()
    assert 0 < moved <= 4.5e-3
    other = untrained_score(checkpoint, network.classifier, network.feature_dim, "correlation", 0, 1)
    assert (other.weight - start.weight).abs().max() > 0.01


def test_the_trained_score_weighs_as_the_policy_of_the_checkpoint_does(runs) -> None:
    from landscape.mixture import restore_policy

    checkpoint = Checkpoint.load(runs["fgmix"].find())
    opened = Opened.open([checkpoint], progress=False)
    network = opened.network
    state = torch.get_rng_state()
    score = trained_score(checkpoint, network.classifier, network.feature_dim)
    assert torch.equal(torch.get_rng_state(), state)
    policy = restore_policy(checkpoint, network.classifier, network.feature_dim)
    assert policy.score is not None
    for name, tensor in policy.score.state_dict().items():
        torch.testing.assert_close(score.state_dict()[name], tensor.double(), rtol=0, atol=0)
