"""Class indices, digests and the checks of a listing."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from landscape.data.images import list_images
from landscape.data.listing import check_cells, choose_domains, domain_name
from landscape.errors import InputError


def test_class_indices_come_from_the_union_over_domains(make_folder) -> None:
    # ImageFolder per domain would give "dog" index 1 in the first domain and 0 in the second.
    root = make_folder({"p": {"cat": 1, "dog": 2}, "q": {"dog": 1, "elk": 2}, "r": {"cat": 1, "elk": 1}})
    listing = list_images(str(root))
    assert listing.classes == ("cat", "dog", "elk")
    for entry, label, domain in zip(listing.entries, listing.labels, listing.domain, strict=True):
        assert entry.file.split("/")[:2] == [listing.domains[domain], listing.classes[label]]


def test_a_class_of_one_domain_is_named(make_folder) -> None:
    root = make_folder({"p": {"cat": 1, "dog": 1}, "q": {"cat": 1, "dgo": 1}, "r": {"cat": 1, "dog": 1}})
    with pytest.raises(InputError, match=r"'dgo' \(only in 'q'\)"):
        list_images(str(root))
    # Without the other domains "dog" is lonely, too; without q nothing is.
    with pytest.raises(InputError, match=r"'dgo' \(only in 'q'\), 'dog' \(only in 'p'\)"):
        list_images(str(root), domains=("p", "q"))
    assert list_images(str(root), domains=("r", "p")).domains == ("r", "p")


def test_a_class_may_be_missing_in_some_domains(make_folder) -> None:
    root = make_folder({"p": {"cat": 1, "dog": 1}, "q": {"cat": 1}, "r": {"cat": 1, "dog": 1}})
    assert len(list_images(str(root)).entries) == 5


def test_a_single_class_and_an_empty_domain_are_refused() -> None:
    zeros = np.zeros(2, dtype=np.int64)
    with pytest.raises(InputError, match="single class, 'cat'"):
        check_cells(("p", "q"), ("cat",), np.array([0, 1]), zeros, "here")
    with pytest.raises(InputError, match="domain 'q' of here has no images"):
        check_cells(("p", "q"), ("cat", "dog"), zeros, np.array([0, 1]), "here")


def test_fewer_than_two_domains(make_folder) -> None:
    root = make_folder({"p": {"cat": 1, "dog": 1}, "q": {"cat": 1, "dog": 1}})
    with pytest.raises(InputError, match=r"at least two domains.*only 'p'.*the data has: p, q"):
        list_images(str(root), domains=("p",))
    with pytest.raises(InputError, match="'p' is given twice"):
        list_images(str(root), domains=("p", "p"))
    with pytest.raises(InputError, match="got none"):
        choose_domains((), (), (), {})


def test_domain_names() -> None:
    available, aliases = ("art_painting", "photo"), {"A": "art_painting", "P": "photo", "S": "sketch"}
    for given_name in ("A", "art_painting", "Art_Painting"):
        assert domain_name(given_name, available, aliases) == "art_painting"
    with pytest.raises(InputError, match="unknown target domain 'S'; expected one of: art_painting, photo"):
        domain_name("S", available, aliases, kind="target domain")


@given(st.permutations(["p", "q", "r"]), st.integers(2, 3))
def test_domains_keep_the_order_they_are_given_in(names: list[str], count: int) -> None:
    assert choose_domains(names[:count], ("p", "q", "r"), ("p", "q", "r"), {}) == tuple(names[:count])


def test_the_digest_sees_content_and_not_place_or_time(make_folder, tmp_path: Path) -> None:
    tree = {"p": {"cat": 2, "dog": 1}, "q": {"cat": 1, "dog": 1}}
    one, two = list_images(str(make_folder(tree, "one"))), list_images(str(make_folder(tree, "two")))
    assert one.digest == two.digest
    file = tmp_path / "one" / "p" / "cat" / "0.png"
    os.utime(file, (1, 1))
    touched = list_images(str(tmp_path / "one"))
    assert touched.digest == one.digest
    assert touched.fingerprint != one.fingerprint
    file.write_bytes(file.read_bytes() + b"more")
    assert list_images(str(tmp_path / "one")).digest != one.digest
    assert list_images(str(tmp_path / "two"), domains=("q", "p")).digest != two.digest


def test_positions_count_all_domains(make_folder) -> None:
    domain = {"cat": 1, "dog": 1}
    root = make_folder({"p": domain, "q": domain, "r": domain})
    assert list_images(str(root), domains=("r", "p")).positions == (2, 0)
