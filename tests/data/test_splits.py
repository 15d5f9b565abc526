"""Laws of the 80/20 splits."""

import hashlib
import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landscape.data import DomainImages, split_images
from landscape.data.splits import seed_hash
from landscape.errors import InputError
from landscape.seeding import seed_for

seeds = st.integers(0, 2**31)
tables = st.integers(1, 3).flatmap(
    lambda classes: st.lists(st.lists(st.integers(1, 30), min_size=classes, max_size=classes), min_size=2, max_size=4)
)


def domain_part(images: DomainImages, held_out: np.ndarray, name: str) -> list[bool]:
    return held_out[images.domain == images.domains.index(name)].tolist()


@given(tables, seeds)
def test_random_holds_out_a_fifth_of_every_domain(made_up, table: list[list[int]], seed: int) -> None:
    images = made_up(table)
    split = split_images(images, seed=seed, rule="random")
    for name, counts in zip(images.domains, table, strict=True):
        held_out = sum(domain_part(images, split.held_out, name))
        assert held_out == max(sum(counts) // 5, 1 if sum(counts) > 1 else 0)
    assert split_images(images, seed=seed).rule == "random"  # auto, without concepts
    assert split_images(images, seed=seed).digest == split.digest


@given(tables, seeds)
def test_random_depends_on_seed_and_domain_only(made_up, table: list[list[int]], seed: int) -> None:
    images = made_up(table)
    everything = split_images(images, seed=seed, rule="random")
    # The same domains in another company and order: the last one alone with one that was not there.
    other = made_up([[50] * len(table[0]), table[-1]], names="z" + images.domains[-1])
    alone = split_images(other, seed=seed, rule="random")
    name = images.domains[-1]
    assert domain_part(images, everything.held_out, name) == domain_part(other, alone.held_out, name)


def test_domains_and_seeds_get_different_splits(made_up) -> None:
    images = made_up([[100], [100]])
    parts = [
        tuple(domain_part(images, split_images(images, seed=seed, rule="random").held_out, name))
        for seed in (0, 1)
        for name in images.domains
    ]
    assert len(set(parts)) == 4


@given(st.integers(2, 12), seeds)
def test_no_held_out_concept_is_trained_on(made_up, concepts: int, seed: int) -> None:
    images = made_up([[60, 60], [40, 70], [50, 50]], concepts=concepts)
    try:
        split = split_images(images, seed=seed)
    except InputError:
        return  # every concept of a domain can fall into fold 0
    assert split.rule == "concept"
    pairs = list(zip(images.labels.tolist(), images.concepts, strict=True))
    out = {pair for pair, held in zip(pairs, split.held_out, strict=True) if held}
    trained = {pair for pair, held in zip(pairs, split.held_out, strict=True) if not held}
    assert not out & trained


@settings(deadline=None, max_examples=20)
@given(seeds, st.permutations(["photo", "cartoon", "sketch"]))
def test_concept_split_ignores_order_and_company(sixstyles: DomainImages, seed: int, names: list[str]) -> None:
    held = dict(zip(sixstyles.files, split_images(sixstyles, seed=seed).held_out.tolist(), strict=True))
    wanted = [sixstyles.domains.index(name) for name in names[:2]]
    order = np.random.default_rng(seed).permutation(np.flatnonzero(np.isin(sixstyles.domain, wanted)))
    subset = replace(
        sixstyles,
        domains=tuple(names[:2]),
        positions=(),
        labels=sixstyles.labels[order],
        domain=np.array([wanted.index(i) for i in sixstyles.domain[order]]),
        files=tuple(sixstyles.files[i] for i in order),
        concepts=tuple((sixstyles.concepts or ())[i] for i in order),
    )
    assert split_images(subset, seed=seed).held_out.tolist() == [held[file] for file in subset.files]


def test_concept_split_holds_out_about_a_fifth_of_the_concepts(sixstyles: DomainImages) -> None:
    pairs = sorted(set(zip(sixstyles.labels.tolist(), sixstyles.concepts or (), strict=True)))
    index = {pair: i for i, pair in enumerate(pairs)}
    rows = np.array([index[pair] for pair in zip(sixstyles.labels.tolist(), sixstyles.concepts or (), strict=True)])
    shares = []
    for seed in range(40):
        held = np.zeros(len(pairs), dtype=bool)
        held[rows[split_images(sixstyles, seed=seed).held_out]] = True
        shares.append(held.mean())
    # 40 x 463 draws with probability 1/5: standard error 0.003.
    assert abs(np.mean(shares) - 0.2) < 0.012
    assert np.std(shares) < 0.03


def domainbed_split(count: int, trial_seed: int, env_i: int) -> set[int]:
    """facebookresearch/DomainBed: misc.seed_hash, misc.split_dataset, as train.py calls them."""
    seed = int(hashlib.md5(str((trial_seed, env_i)).encode("utf-8")).hexdigest(), 16) % (2**31)
    keys = list(range(count))
    np.random.RandomState(seed).shuffle(keys)
    return set(keys[: int(count * 0.2)])


@given(tables, st.integers(0, 5))
def test_domainbed_rule(made_up, table: list[list[int]], seed: int) -> None:
    images = made_up(table)
    split = split_images(images, seed=seed, rule="domainbed")
    for i, name in enumerate(images.domains):
        out = set(np.flatnonzero(domain_part(images, split.held_out, name)).tolist())
        assert out == domainbed_split(sum(table[i]), seed, i)


def test_domainbed_rule_numbers_environments_over_the_whole_data_set(made_up) -> None:
    images = replace(made_up([[40], [30]]), positions=(3, 1))
    split = split_images(images, seed=2, rule="domainbed")
    assert set(np.flatnonzero(domain_part(images, split.held_out, "a")).tolist()) == domainbed_split(40, 2, 3)
    assert set(np.flatnonzero(domain_part(images, split.held_out, "b")).tolist()) == domainbed_split(30, 2, 1)


def test_seed_hash_of_known_strings() -> None:
    assert seed_hash(0, 1) == int(hashlib.md5(b"(0, 1)").hexdigest(), 16) % 2**31
    assert seed_hash("a") == int(hashlib.md5(b"('a',)").hexdigest(), 16) % 2**31


def test_the_digest_tells_splits_apart(made_up) -> None:
    images = made_up([[30, 30], [30, 30]], concepts=20)
    splits = [split_images(images, seed=seed, rule=rule) for seed in (0, 1) for rule in ("random", "domainbed")]
    splits.append(split_images(images, seed=0, rule="concept"))
    assert len({split.digest for split in splits}) == 5
    assert split_images(replace(images, digest="f" * 16), seed=0).digest != split_images(images, seed=0).digest


def test_the_global_generators_are_not_touched(made_up) -> None:
    images = made_up([[30], [30]])
    before = (str(np.random.get_state()), random.getstate())  # noqa: NPY002
    for rule in ("random", "domainbed"):
        split_images(images, seed=0, rule=rule)
    assert (str(np.random.get_state()), random.getstate()) == before  # noqa: NPY002


def test_what_cannot_be_split(made_up) -> None:
    with pytest.raises(InputError, match="made-up has no concepts to split by; try the random split"):
        split_images(made_up([[3], [3]]), seed=0, rule="concept")
    images = made_up([[3], [3]], concepts=1)
    # One concept is held out with probability 1/5: some of 100 seeds do it.
    seed = next(s for s in range(100) if seed_for(s, "split", "class0", "c0") % 5 == 0)
    with pytest.raises(InputError, match=f"concept split of seed {seed} holds out every image of domain 'a'.*concepts"):
        split_images(images, seed=seed)
