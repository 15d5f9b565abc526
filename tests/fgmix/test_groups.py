"""Groups: one same-class instance from every source."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats

from landscape.errors import InputError
from landscape.fgmix import Groups, anchored_groups, sample_groups


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def check(groups: Groups, labels: torch.Tensor) -> None:
    """The laws that every draw obeys."""
    flat, batch = labels.reshape(-1), labels.shape[1]
    assert groups.rows.dtype == groups.labels.dtype == groups.domains.dtype == torch.int64
    assert torch.equal(flat[groups.rows], groups.labels[:, None].expand_as(groups.rows))
    assert torch.equal(groups.rows // batch, groups.domains)
    assert (groups.domains.diff(dim=1) > 0).all()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.integers(1, 5),
    st.integers(1, 8),
    st.integers(1, 5),
    st.sampled_from(["anchor", "uniform"]),
    st.integers(0, 2**31),
    st.data(),
)
def test_members_share_a_class_and_come_from_different_sources(
    sources: int, batch: int, classes: int, rule: str, seed: int, data: st.DataObject
) -> None:
    labels = torch.randint(0, classes, (sources, batch), generator=torch.Generator().manual_seed(seed))
    asked = data.draw(st.sampled_from([0, *range(2, sources + 1)]))
    groups = sample_groups(labels, count=16, generator=rng(seed), rule=rule, domains_per_mixup=asked)
    shared = max(sum(label in set(row.tolist()) for row in labels) for label in range(classes))
    size = min(asked or sources, shared)
    assert groups.requested == 16
    assert len(groups) == (16 if size >= 2 else 0)
    if size >= 2:
        assert groups.size == size
    check(groups, labels)


def test_the_same_generator_state_gives_the_same_groups() -> None:
    labels = torch.randint(0, 4, (3, 16), generator=torch.Generator().manual_seed(0))
    a, b, c = (sample_groups(labels, count=32, generator=rng(seed)) for seed in (1, 1, 2))
    assert torch.equal(a.rows, b.rows)
    assert not torch.equal(a.rows, c.rows)


def test_anchors_make_classes_proportional_and_use_every_sample_equally() -> None:
    # Class 0 is rare in source 0 and frequent in source 1; a class is drawn as often as the pooled batch has it.
    labels = torch.tensor([[0, 1, 1, 1], [0, 0, 0, 1]])
    count = 20000
    groups = sample_groups(labels, count=count, generator=rng())
    drawn = np.bincount(groups.labels.numpy(), minlength=2)
    assert stats.chisquare(drawn, count * np.array([4, 4]) / 8).pvalue > 1e-3
    # Row 0 is in every group of class 0; rows 4-6 share that class in source 1 evenly.
    used = np.bincount(groups.rows.reshape(-1).numpy(), minlength=8)
    assert used[0] == drawn[0]
    assert stats.chisquare(used[[4, 5, 6]]).pvalue > 1e-3
    assert stats.chisquare(used[[1, 2, 3]]).pvalue > 1e-3


def test_uniform_rule_draws_common_classes_evenly() -> None:
    labels = torch.tensor([[0, 1, 1, 1, 1, 2], [0, 0, 0, 0, 1, 3]])
    groups = sample_groups(labels, count=20000, generator=rng(), rule="uniform")
    drawn = np.bincount(groups.labels.numpy(), minlength=4)
    assert drawn[2] == drawn[3] == 0
    assert stats.chisquare(drawn[:2]).pvalue > 1e-3
    anchored = sample_groups(labels, count=20000, generator=rng())
    drawn = np.bincount(anchored.labels.numpy(), minlength=4)
    assert stats.chisquare(drawn[:2], 20000 * np.array([5, 5]) / 10).pvalue > 1e-3


def test_a_subset_of_sources_is_drawn_anew_for_every_group() -> None:
    labels = torch.zeros(4, 3, dtype=torch.int64)
    groups = sample_groups(labels, count=12000, generator=rng(), domains_per_mixup=2)
    pairs, counts = np.unique(groups.domains.numpy(), axis=0, return_counts=True)
    assert len(pairs) == 6
    assert stats.chisquare(counts).pvalue > 1e-3


def test_the_anchor_is_in_its_group() -> None:
    # Class 0: nine samples in source 0, one in each other. Its anchor is in source 0 in 9 of 11 draws, and else a
    # coin decides whether source 0 is the partner.
    labels = torch.tensor([[0] * 9 + [1], [0] + [2] * 9, [0] + [3] * 9])
    groups = sample_groups(labels, count=20000, generator=rng(), domains_per_mixup=2)
    among = int((groups.domains == 0).any(1).sum())
    assert stats.binomtest(among, 20000, 10 / 11).pvalue > 1e-3


def test_groups_shrink_to_the_sources_that_share_a_class() -> None:
    # Class 7 is in sources 0 and 2 only, and nothing is in all three.
    labels = torch.tensor([[7, 7], [1, 1], [7, 2]])
    groups = sample_groups(labels, count=5, generator=rng())
    check(groups, labels)
    assert groups.size == 2
    assert (groups.labels == 7).all()
    assert (groups.domains == torch.tensor([0, 2])).all()


def test_no_shared_class_gives_no_groups() -> None:
    for labels in (torch.tensor([[0, 0], [1, 1], [2, 3]]), torch.tensor([[0, 1, 2]])):
        for rule in ("anchor", "uniform"):
            groups = sample_groups(labels, count=5, generator=rng(), rule=rule)
            assert len(groups) == 0
            assert groups.rows.shape[1] >= 2
            assert groups.requested == 5


@pytest.mark.parametrize("asked", [1, 4])
def test_a_wrong_number_of_sources_is_named(asked: int) -> None:
    with pytest.raises(InputError, match=f"domains_per_mixup is {asked} with 3 source domains"):
        sample_groups(torch.zeros(3, 2, dtype=torch.int64), count=1, generator=rng(), domains_per_mixup=asked)


def test_every_sample_anchors_one_group() -> None:
    labels = torch.tensor([0, 0, 1, 2, 1, 0, 0, 1])
    domains = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])
    groups = anchored_groups(labels, domains, generator=rng())
    assert groups.requested == 8
    assert len(groups) == 7  # row 3 has a class that source 1 lacks
    anchors = torch.tensor([0, 1, 2, 4, 5, 6, 7])
    assert torch.equal(groups.rows.gather(1, domains[anchors][:, None])[:, 0], anchors)
    assert torch.equal(labels[groups.rows], labels[anchors][:, None].expand(7, 2))
    assert torch.equal(domains[groups.rows], torch.tensor([[0, 1]]).expand(7, 2))
    assert torch.equal(groups.domains, domains[groups.rows])


def test_no_anchors_without_a_common_class() -> None:
    for labels, domains in (([0, 1], [0, 1]), ([0, 0], [0, 0]), ([], [])):
        groups = anchored_groups(
            torch.tensor(labels, dtype=torch.int64), torch.tensor(domains, dtype=torch.int64), generator=rng()
        )
        assert len(groups) == 0
        assert groups.requested == len(labels)
