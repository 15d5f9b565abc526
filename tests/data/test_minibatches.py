"""Laws of the per-domain minibatches."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from scipy import stats

from landscape.data import Minibatches, Task, normalise, split_images
from landscape.data.augmentation import augment
from landscape.errors import InputError
from landscape.seeding import numpy_generator

NORM = {"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.25, 0.3)}


@pytest.fixture(scope="module")
def task(made_up) -> Task:
    # class2 is missing in source b, class3 is rare.
    images = made_up([[30, 20, 10, 5], [25, 15, 0, 5], [10, 10, 10, 10], [20, 40, 20, 5]], size=8)
    return Task(images, split_images(images, seed=0), "c")


def same(one, two) -> bool:
    return (
        torch.equal(one.images, two.images)
        and torch.equal(one.labels, two.labels)
        and np.array_equal(one.rows, two.rows)
    )


@pytest.mark.parametrize("augmentation", ["domainbed", "affine", "none"])
def test_shapes_labels_and_values(task: Task, augmentation: str) -> None:
    batch = Minibatches(task, batch_size=6, seed=3, augmentation=augmentation, **NORM).at(5)
    assert batch.images.shape == (3, 6, 3, 8, 8)
    assert batch.images.dtype == torch.float32
    assert batch.images.flatten(0, 1).is_contiguous(memory_format=torch.channels_last)
    assert batch.labels.dtype == torch.int64
    np.testing.assert_array_equal(batch.labels.numpy(), task.images.labels[batch.rows])
    pixels = task.images.pixels[batch.rows.reshape(-1)]
    changed = augment(pixels, numpy_generator(3, "augmentation", 5), augmentation=augmentation)
    assert torch.equal(batch.images.flatten(0, 1), normalise(changed, NORM["mean"], NORM["std"]))


@pytest.mark.parametrize("sampler", ["uniform", "class-first"])
def test_rows_come_from_each_sources_in_split(task: Task, sampler: str) -> None:
    batches = Minibatches(task, batch_size=7, seed=0, sampler=sampler, classes_per_batch=2, **NORM)
    for step in range(50):
        for source, rows in zip(("a", "b", "d"), batches.rows(step), strict=True):
            assert set(rows) <= set(task.rows(source, "in"))


def test_uniform_draws_are_uniform_with_replacement(task: Task) -> None:
    batches = Minibatches(task, batch_size=20, seed=0, **NORM)
    drawn = np.concatenate([batches.rows(step) for step in range(500)], axis=1)
    for source, rows in zip(task.sources, drawn, strict=True):
        pool = task.rows(source, "in")
        counts = np.array([(rows == row).sum() for row in pool])
        assert counts.sum() == 10_000
        assert stats.chisquare(counts).pvalue > 0.001
    assert any(len(set(row)) < 20 for step in range(20) for row in batches.rows(step))
    # More than a source has.
    assert Minibatches(task, batch_size=100, seed=0, **NORM).rows(0).shape == (3, 100)


def test_class_first_draws_few_classes_that_every_source_has(task: Task) -> None:
    batches = Minibatches(task, batch_size=16, seed=1, sampler="class-first", classes_per_batch=2, **NORM)
    chosen = []
    for step in range(300):
        labels = task.images.labels[batches.rows(step)]
        assert len(set(labels.flat)) <= 2
        assert 2 not in labels  # missing in source b
        chosen.append(frozenset(labels.flat))
    # Every pair of the three common classes about equally often.
    counts = [chosen.count(frozenset(pair)) for pair in ({0, 1}, {0, 3}, {1, 3})]
    assert min(counts) > 60


def test_class_first_draws_images_of_the_chosen_classes_uniformly(task: Task) -> None:
    batches = Minibatches(task, batch_size=16, seed=1, sampler="class-first", classes_per_batch=8, **NORM)
    pool = task.rows("a", "in")
    pool = pool[task.images.labels[pool] != 2]  # the three common classes are always all chosen
    drawn = np.concatenate([batches.rows(step)[0] for step in range(400)])
    counts = np.array([(drawn == row).sum() for row in pool])
    assert counts.sum() == len(drawn)
    assert stats.chisquare(counts).pvalue > 0.001


def test_class_first_never_draws_more_classes_than_images(task: Task) -> None:
    batches = Minibatches(task, batch_size=1, seed=1, sampler="class-first", **NORM)
    assert all(len(set(task.images.labels[batches.rows(step)].flat)) == 1 for step in range(30))


@pytest.mark.parametrize("augmentation", ["domainbed", "affine"])
def test_a_step_is_the_same_in_any_order_and_any_thread(task: Task, augmentation: str) -> None:
    first = Minibatches(task, batch_size=4, seed=9, augmentation=augmentation, **NORM)
    second = Minibatches(task, batch_size=4, seed=9, augmentation=augmentation, **NORM)
    forward = {step: first.at(step) for step in range(6)}
    for step in (4, 1, 5, 0, 0):
        assert same(second.at(step), forward[step])
    with ThreadPoolExecutor(4) as pool:
        for step, batch in zip([3, 2, 1, 5] * 3, pool.map(first.at, [3, 2, 1, 5] * 3), strict=True):
            assert same(batch, forward[step])
    for (step, batch), wanted in zip(second.prefetch(2, 6), range(2, 6), strict=True):
        assert step == wanted
        assert same(batch, forward[step])
    assert not same(forward[0], forward[1])
    assert not same(Minibatches(task, batch_size=4, seed=8, augmentation=augmentation, **NORM).at(0), forward[0])


def test_the_sampler_does_not_shift_the_augmentation(task: Task) -> None:
    one = Minibatches(task, batch_size=4, seed=0, augmentation="none", **NORM)
    two = Minibatches(task, batch_size=4, seed=0, augmentation="affine", **NORM)
    np.testing.assert_array_equal(one.rows(3), two.rows(3))


def test_the_global_generators_are_not_touched(task: Task) -> None:
    before = torch.get_rng_state().clone(), str(np.random.get_state())  # noqa: NPY002
    Minibatches(task, batch_size=4, seed=0, sampler="class-first", **NORM).at(0)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert str(np.random.get_state()) == before[1]  # noqa: NPY002


def test_prefetch_stays_two_ahead_in_one_thread_and_stops(task: Task, monkeypatch) -> None:
    batches = Minibatches(task, batch_size=2, seed=0, augmentation="none", **NORM)
    asked, threads, at = [], set(), batches.at

    def recorded(step: int):
        asked.append(step)
        threads.add(threading.current_thread())
        return at(step)

    monkeypatch.setattr(batches, "at", recorded)
    steps = batches.prefetch(10, 100)
    for wanted in range(10, 15):
        assert next(steps)[0] == wanted
        time.sleep(0.02)
        assert max(asked) <= wanted + 2
    steps.close()
    assert asked == sorted(asked)
    assert len(threads) == 1
    assert threading.main_thread() not in threads
    assert not any(thread.is_alive() for thread in threads)
    assert list(batches.prefetch(5, 5)) == []
    assert [step for step, _ in batches.prefetch(5, 6)] == [5]


def test_an_error_in_the_background_reaches_the_loop(task: Task, monkeypatch) -> None:
    batches = Minibatches(task, batch_size=2, seed=0, **NORM)

    def broken(step: int):
        raise RuntimeError(f"step {step}")

    monkeypatch.setattr(batches, "at", broken)
    with pytest.raises(RuntimeError, match="step 3"):
        next(batches.prefetch(3, 9))


def test_what_cannot_be_sampled(made_up, task: Task) -> None:
    with pytest.raises(InputError, match="batch size 0"):
        Minibatches(task, batch_size=0, seed=0, **NORM)
    images = made_up([[9, 0], [0, 9], [9, 9]])
    disjoint = Task(images, split_images(images, seed=0), "c")
    with pytest.raises(InputError, match=r"a class that every source \(a, b\) has"):
        Minibatches(disjoint, batch_size=2, seed=0, sampler="class-first", **NORM)
