"""Leave one domain out."""

from pathlib import Path

import numpy as np
import pytest

from landscape.config import RunConfig
from landscape.data import DomainImages, Task, open_task, split_images
from landscape.errors import InputError


@pytest.fixture(scope="module")
def task(sixstyles: DomainImages) -> Task:
    return Task(sixstyles, split_images(sixstyles, seed=0), "sketch")


def test_rows_partition_the_images(task: Task) -> None:
    assert task.sources == ("photo", "clipart", "render3d", "cartoon", "flat")
    for domain in task.images.domains:
        inside, outside = task.rows(domain, "in"), task.rows(domain, "out")
        assert inside.dtype == np.int64
        assert (np.diff(inside) > 0).all()
        assert {task.images.files[row].split("/")[1] for row in (*inside, *outside)} == {domain}
        np.testing.assert_array_equal(np.sort(np.concatenate([inside, outside])), task.rows(domain))
    for part in ("in", "out", "all"):
        together = np.concatenate([task.rows(source, part) for source in task.sources])
        np.testing.assert_array_equal(task.source_rows(part), np.sort(together))
    assert len(task.source_rows("all")) + len(task.rows("sketch")) == len(task.images)


def test_target_rows(sixstyles: DomainImages, task: Task) -> None:
    assert len(task.target_rows()) == 347
    domainbed = Task(sixstyles, split_images(sixstyles, seed=0, rule="domainbed"), "sketch")
    np.testing.assert_array_equal(domainbed.target_rows(), domainbed.rows("sketch", "in"))
    assert len(domainbed.target_rows()) == 347 - int(0.2 * 347)


def test_seen_concepts_by_brute_force(task: Task) -> None:
    seen = task.seen()
    assert seen is not None
    images, concepts = task.images, task.images.concepts or ()
    for row in range(0, len(images), 37):
        expected = any(
            images.labels[other] == images.labels[row] and concepts[other] == concepts[row]
            for other in range(len(images))
            if images.domains[images.domain[other]] != "sketch" and not task.split.held_out[other]
        )
        assert seen[row] == expected
    assert not seen[task.rows("sketch", "out")].any()  # held-out concepts are never seen
    assert seen[task.source_rows("in")].all()
    assert 0 < seen[task.target_rows()].mean() < 1


def test_without_concepts_nothing_is_said_about_seen(made_up) -> None:
    images = made_up([[10, 10], [10, 10]])
    assert Task(images, split_images(images, seed=0), "a").seen() is None


def test_missing_classes(made_up) -> None:
    images = made_up([[10, 10, 0], [10, 0, 0], [10, 10, 10]])
    task = Task(images, split_images(images, seed=0), "c")
    assert task.missing_classes == {"a": ("class2",), "b": ("class1", "class2")}
    assert Task(images, split_images(images, seed=0), "a").missing_classes == {"b": ("class1", "class2")}


def test_an_unknown_target_names_the_nearest(sixstyles: DomainImages) -> None:
    with pytest.raises(InputError, match=r"unknown target domain 'scetch'; .*Did you mean 'sketch'"):
        Task(sixstyles, split_images(sixstyles, seed=0), "scetch")


def test_open_task(cache: Path) -> None:
    task = open_task(RunConfig(image_size=16, target="cartoon", seed=3), cache=cache, progress=False)
    assert task.images.domains == ("photo", "clipart", "cartoon", "sketch")
    assert task.images.pixels.shape[1] == 16
    assert task.sources == ("photo", "clipart", "sketch")
    assert (task.split.seed, task.split.rule) == (3, "concept")
    for target, text in [
        ("skech", "unknown target domain 'skech'.*Did you mean 'sketch'"),
        ("flat", "'flat' is a domain of sixstyles, but not among .*--domains photo clipart cartoon sketch flat"),
    ]:
        with pytest.raises(InputError, match=text):
            open_task(RunConfig(image_size=16, target=target), cache=cache)


def test_a_short_name_becomes_the_full_one(make_folder, tmp_path: Path) -> None:
    names = ("art_painting", "cartoon", "photo", "sketch")
    make_folder({name: {"dog": 5, "cat": 5} for name in names}, "PACS")
    config = RunConfig(data="pacs", data_dir=str(tmp_path), target="A", image_size=8, split="domainbed")
    task = open_task(config, progress=False)
    assert task.target == "art_painting"
    assert task.sources == names[1:]
    assert len(task.target_rows()) == 8
