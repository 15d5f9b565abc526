"""Sources and targets by name, and views of images as domains."""

import numpy as np
import pytest

from landscape.config import RunConfig
from landscape.data import Minibatches, Task, open_task, spelled_out
from landscape.data.images import list_images
from landscape.errors import InputError

ALL = ("photo", "clipart", "cartoon", "sketch")


@pytest.fixture(scope="module")
def listing():  # type: ignore[no-untyped-def]
    return list_images("sixstyles")


@pytest.mark.parametrize(
    ("given", "sources", "targets"),
    [
        ({"target": "sketch"}, (), ()),
        ({"sources": ("cartoon", "photo", "clipart")}, (), ()),
        ({"sources": ("Photo",)}, ("photo",), ("clipart", "cartoon", "sketch")),
        ({"targets": ("sketch", "photo")}, ("clipart", "cartoon"), ("photo", "sketch")),
        ({"sources": ("photo",), "targets": ("sketch",)}, ("photo",), ("sketch",)),
    ],
)
def test_one_task_has_one_spelling(given: dict, sources: tuple, targets: tuple, listing) -> None:  # type: ignore[no-untyped-def]
    config = spelled_out(RunConfig(**given), listing)
    assert (config.sources, config.targets) == (sources, targets)
    assert config.target == (targets[0] if targets else "sketch")
    assert spelled_out(config, listing) == config
    assert RunConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"sources": ("photo",), "targets": ("photo",)}, "photo is both source and target"),
        ({"targets": ALL}, r"all domains \(photo, .*\) are targets, so there is no source"),
        ({"sources": ALL}, "are sources, so there is no target"),
        ({"sources": ("phote",)}, "unknown source domain 'phote'.*mean 'photo'"),
    ],
)
def test_what_cannot_be_a_task_is_said(given: dict, text: str, listing) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=text):
        spelled_out(RunConfig(**given), listing)
    with pytest.raises(InputError, match=text):
        open_task(RunConfig(image_size=16, **given), progress=False)


def test_a_domain_that_is_not_in_use_is_named() -> None:
    with pytest.raises(InputError, match=r"'flat' is a domain of sixstyles, but not among those in use"):
        open_task(RunConfig(image_size=16, sources=("photo",), targets=("flat",)), progress=False)


def test_rows_of_a_task_with_few_sources() -> None:
    task = open_task(RunConfig(image_size=16, sources=("photo",), targets=("sketch", "clipart")), progress=False)
    assert (task.sources, task.targets, task.target) == (("photo",), ("clipart", "sketch"), "sketch")
    photo = task.images.domain == task.images.domain_index("photo")
    np.testing.assert_array_equal(task.source_rows("in"), np.flatnonzero(photo & ~task.split.held_out))
    assert not task.leaves_one_out
    assert len(task.target_rows("clipart")) == (task.images.domain == task.images.domain_index("clipart")).sum()
    plain = Task(task.images, task.split, "sketch")
    assert plain.leaves_one_out
    assert plain.targets == ("sketch",)


def test_views_are_copies_of_the_same_images() -> None:
    task = open_task(RunConfig(image_size=16, sources=("photo", "cartoon")), progress=False)
    keywords = {"batch_size": 4, "seed": 0, "mean": (0.5,) * 3, "std": (0.5,) * 3}
    one = Minibatches(task, **keywords).at(3)
    three = Minibatches(task, views=3, **keywords).at(3)
    assert three.images.shape == (6, 4, 3, 16, 16)
    for view in range(3):
        np.testing.assert_array_equal(three.rows[[view, 3 + view]], one.rows)
    assert (three.labels[0] == three.labels[2]).all()
    # Augmented independently; without augmentation they are the same.
    assert not (three.images[0] == three.images[1]).all()
    plain = Minibatches(task, views=2, augmentation="none", **keywords).at(3)
    assert (plain.images[0] == plain.images[1]).all()
    assert (three.only(4).images[0] == three.images[4]).all()
    with pytest.raises(InputError, match="views 0: expected at least 1"):
        Minibatches(task, views=0, **keywords)
