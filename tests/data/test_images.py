"""Opening data by name, folder or manifest."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from landscape.data import DomainImages, load_images
from landscape.data.images import list_images
from landscape.errors import InputError


def test_the_fields_fit_together(sixstyles: DomainImages) -> None:
    n = len(sixstyles)
    assert sixstyles.pixels.shape == (n, 32, 32, 3)
    assert sixstyles.pixels.dtype == np.uint8
    for array in (sixstyles.labels, sixstyles.domain):
        assert array.shape == (n,)
        assert array.dtype == np.int64
        assert not array.flags.writeable
    assert len(sixstyles.files) == len(sixstyles.concepts or ()) == n
    assert sixstyles.unreadable == ()
    assert sixstyles.positions == (3, 1, 4, 0, 2, 5)
    order = list(zip(sixstyles.domain.tolist(), sixstyles.labels.tolist(), sixstyles.files, strict=True))
    assert order == sorted(order)
    with pytest.raises(dataclasses.FrozenInstanceError):
        sixstyles.name = "other"  # type: ignore[misc]


def test_the_digest_does_not_depend_on_the_size(sixstyles: DomainImages, cache: Path) -> None:
    smaller = load_images("sixstyles", size=16, domains=sixstyles.domains, cache=cache, progress=False)
    assert smaller.digest == sixstyles.digest
    assert smaller.files == sixstyles.files
    two = load_images("SixStyles", size=16, domains=("photo", "sketch"), cache=cache, progress=False)
    assert two.digest != sixstyles.digest


def test_unknown_data_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"unknown data set or folder 'pacss'; .*Did you mean 'pacs'"):
        list_images("pacss")
    with pytest.raises(InputError, match=r"there is no .*/nowhere; expected a folder domain/class/image"):
        list_images(str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match=r"there is no missing.csv"):
        list_images("missing.csv")
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(InputError, match=r"a.txt is a file, but no manifest"):
        list_images(str(tmp_path / "a.txt"))


def test_domain_index(sixstyles: DomainImages) -> None:
    assert sixstyles.domain_index("sketch") == 5
    with pytest.raises(InputError, match="Did you mean 'photo'"):
        sixstyles.domain_index("photos")
