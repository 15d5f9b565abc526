"""The user's own folders: what is found, in which order, and what is refused."""

from pathlib import Path

import pytest
from PIL import Image
from torchvision.datasets import ImageFolder

from landscape.data.folders import list_folder
from landscape.errors import InputError

DOMAIN = {"cat": 2, "dog": 3}


def test_files_come_in_the_order_of_torchvisions_image_folder(make_folder) -> None:
    root = make_folder({"p": {"Zebra": 2, "ant": 12, "cat": 2}, "q": {"Zebra": 1, "ant": 1, "cat": 1}})
    for name in ("p/cat/b/1.JPEG", "p/cat/b/10.webp", "p/cat/a-1/2.png", "p/cat/A.png"):
        (root / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (2, 2)).save(root / name)
    (root / "p/cat/notes.txt").write_text("not an image")
    listing = list_folder(root)
    for domain in ("p", "q"):
        wanted = [Path(path).relative_to(root).as_posix() for path, _ in ImageFolder(str(root / domain)).samples]
        assert [entry.file for entry in listing.entries if entry.domain == domain] == wanted


def test_hidden_and_archive_folders_are_left_alone(make_folder) -> None:
    root = make_folder({"p": DOMAIN, "q": DOMAIN})
    for name in (".git/x", "__MACOSX/p", "p/.ipynb_checkpoints"):
        (root / name).mkdir(parents=True)
    (root / "p/cat/._0.png").write_bytes(b"resource fork")
    listing = list_folder(root)
    assert listing.domains == ("p", "q")
    assert listing.classes == ("cat", "dog")
    assert len(listing.entries) == 10


def test_an_empty_class_folder_is_named(make_folder) -> None:
    root = make_folder({"p": DOMAIN, "q": DOMAIN})
    (root / "q" / "elk").mkdir()
    with pytest.raises(InputError, match=r"class folder .*q/elk has no images .*remove the folder"):
        list_folder(root)


def test_a_domain_without_classes_is_named(make_folder) -> None:
    root = make_folder({"p": DOMAIN, "q": DOMAIN})
    (root / "r").mkdir()
    with pytest.raises(InputError, match=r"domain folder .*/r holds no class folders; expected .*/domain/class/image"):
        list_folder(root)
    assert len(list_folder(root, ("p", "q")).entries) == 10  # folders not in use are not looked into
    Image.new("RGB", (2, 2)).save(root / "r" / "1.png")
    with pytest.raises(InputError, match=r"/r holds images but no class folders"):
        list_folder(root)


def test_a_folder_without_domains(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no images; expected .*/domain/class/image, for example"):
        list_folder(tmp_path)
    Image.new("RGB", (2, 2)).save(tmp_path / "1.png")
    with pytest.raises(InputError, match="holds images but no sub-folders"):
        list_folder(tmp_path)


def test_one_domain_only(make_folder) -> None:
    with pytest.raises(InputError, match="at least two domains"):
        list_folder(make_folder({"p": DOMAIN}))
