"""DomainBed's folder layouts, on small made folders of their shapes."""

import shutil
from pathlib import Path

import pytest

from landscape.data import full_domain_name, load_images
from landscape.data.images import list_images
from landscape.data.layouts import LAYOUTS
from landscape.errors import InputError

# facebookresearch/DomainBed, datasets.py: folder, sorted domain folders, ENVIRONMENTS.
DOMAINBED = {
    "pacs": ("PACS", ["art_painting", "cartoon", "photo", "sketch"], ["A", "C", "P", "S"]),
    "vlcs": ("VLCS", ["Caltech101", "LabelMe", "SUN09", "VOC2007"], ["C", "L", "S", "V"]),
    "officehome": ("office_home", ["Art", "Clipart", "Product", "Real World"], ["A", "C", "P", "R"]),
    "terraincognita": (
        "terra_incognita",
        ["location_100", "location_38", "location_43", "location_46"],
        ["L100", "L38", "L43", "L46"],
    ),
    "domainnet": (
        "domain_net",
        ["clipart", "infograph", "painting", "quickdraw", "real", "sketch"],
        ["clip", "info", "paint", "quick", "real", "sketch"],
    ),
}


@pytest.mark.parametrize("data", sorted(DOMAINBED))
def test_a_folder_of_this_shape_opens_by_full_and_short_names(data: str, make_folder, tmp_path: Path) -> None:
    folder, names, short = DOMAINBED[data]
    make_folder({name: {"bird": 1 + i, "dog": 2} for i, name in enumerate(names)}, folder)
    (tmp_path / folder / "lists").mkdir()  # DomainBed would take it for a domain
    images = load_images(data.upper(), size=8, data_dir=tmp_path, progress=False)
    assert images.domains == tuple(names) == tuple(sorted(names))
    assert images.counts.tolist() == [[1 + i, 2] for i in range(len(names))]
    for i, alias in enumerate(short):
        assert images.domain_index(alias) == i
        assert full_domain_name(data, alias) == names[i]
    picked = list_images(data, data_dir=tmp_path, domains=(short[2], names[0]))
    assert picked.domains == (names[2], names[0])
    assert picked.positions == (2, 0)


def test_the_table_is_complete() -> None:
    assert set(LAYOUTS) == set(DOMAINBED)
    assert full_domain_name("sixstyles", "S") == "S"
    assert full_domain_name("pacs", "photo") == "photo"


def test_the_data_sets_own_folder_may_be_given(make_folder) -> None:
    root = make_folder({name: {"bird": 1, "dog": 1} for name in DOMAINBED["vlcs"][1]}, "elsewhere")
    assert len(list_images("vlcs", data_dir=root).entries) == 8


def test_missing_data_names_tree_and_origin(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        list_images("pacs", data_dir=tmp_path)
    message = str(caught.value)
    assert f"there is no data folder {tmp_path / 'PACS'}" in message
    for name in DOMAINBED["pacs"][1]:
        assert f"{tmp_path}/PACS/{name}/dog/*.jpg" in message
    assert "Deeper, Broader and Artier" in message
    assert f"python -m domainbed.scripts.download --data_dir={tmp_path}" in message
    with pytest.raises(InputError, match="needs --data-dir, the folder that holds office_home/"):
        list_images("officehome")


def test_a_missing_domain_folder_is_named(make_folder, tmp_path: Path) -> None:
    root = make_folder({name: {"bird": 1, "dog": 1} for name in DOMAINBED["pacs"][1]}, "PACS")
    shutil.move(root / "sketch", root / "sketches")
    with pytest.raises(InputError, match=r"PACS/sketch is missing \(found: art_painting, cartoon, photo, sketches\)"):
        list_images("pacs", data_dir=tmp_path)
    assert len(list_images("pacs", data_dir=tmp_path, domains=("A", "P")).entries) == 4
    with pytest.raises(InputError, match=r"unknown domain 'scetch'.*Did you mean 'sketch'"):
        list_images("pacs", data_dir=tmp_path, domains=("A", "scetch"))
