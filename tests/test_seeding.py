"""Seeds depend on all of their arguments and on nothing else."""

import hashlib
import subprocess
import sys

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from landscape.seeding import numpy_generator, seed_for, torch_generator, torch_seed

SEEDS = st.integers(-(2**40), 2**40)
STEPS = st.integers(0, 10**6)


def test_values_that_finished_runs_depend_on_never_change() -> None:
    assert seed_for(0, "data", 1) == 7522917479336184025
    assert seed_for(7, "split", "sketch") == 5789631167838649992


def test_definition() -> None:
    text = "3\x1fpolicy\x1f17"
    assert seed_for(3, "policy", 17) == int(hashlib.blake2b(text.encode(), digest_size=8).hexdigest(), 16) // 2


@given(SEEDS, STEPS)
def test_seed_fits_torch_and_numpy(seed: int, step: int) -> None:
    assert 0 <= seed_for(seed, "data", step) < 2**63


@given(SEEDS, STEPS, SEEDS, STEPS)
def test_different_arguments_give_different_seeds(seed: int, step: int, other_seed: int, other_step: int) -> None:
    same = (seed, step) == (other_seed, other_step)
    assert (seed_for(seed, "data", step) == seed_for(other_seed, "data", other_step)) == same


def test_every_purpose_is_a_stream_of_its_own() -> None:
    purposes = ("split", "data", "augmentation", "dropout", "algorithm", "model", "policy")
    draws = {tuple(numpy_generator(0, purpose, 1).integers(0, 2**62, 4)) for purpose in purposes}
    assert len(draws) == len(purposes)


def test_parts_are_not_run_together() -> None:
    assert seed_for(1, "data", 12) != seed_for(11, "data", 2)
    assert seed_for(1, "data", 1, 2) != seed_for(1, "data", 12)


def test_numpy_seed_is_the_same_number() -> None:
    assert seed_for(np.int64(5), "data", np.int64(3)) == seed_for(5, "data", 3)  # type: ignore[arg-type]


def test_another_process_draws_the_same_numbers() -> None:
    # Python's own hash() differs between processes.
    code = "from landscape.seeding import numpy_generator; print(numpy_generator(3, 'data', 5).integers(0, 2**62))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert int(answer) == numpy_generator(3, "data", 5).integers(0, 2**62)


def test_torch_generator_repeats() -> None:
    first = torch.rand(4, generator=torch_generator(0, "algorithm", 9))
    assert torch.equal(first, torch.rand(4, generator=torch_generator(0, "algorithm", 9)))
    assert not torch.equal(first, torch.rand(4, generator=torch_generator(0, "algorithm", 10)))


def test_torch_seed_leaves_the_global_stream_where_it_was() -> None:
    torch.manual_seed(1)
    undisturbed = torch.rand(6)
    torch.manual_seed(1)
    before = torch.rand(3)
    with torch_seed(0, "dropout", 4):
        inside = torch.rand(3)
    after = torch.rand(3)
    assert torch.equal(torch.cat([before, after]), undisturbed)
    torch.manual_seed(seed_for(0, "dropout", 4))
    assert torch.equal(inside, torch.rand(3))


def test_torch_seed_restores_after_an_error() -> None:
    state = torch.get_rng_state()
    try:
        with torch_seed(0, "dropout", 4):
            torch.rand(3)
            raise KeyError
    except KeyError:
        pass
    assert torch.equal(torch.get_rng_state(), state)
