"""The embedded data: against its datasheet, its manifest and an independent walk of the archive."""

import csv
import hashlib
import io
import re
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import landscape.data
from landscape.data import DomainImages, load_images
from landscape.data.sixstyles import DOMAINS, list_sixstyles
from landscape.errors import InputError

EMBEDDED = Path(landscape.data.__file__).parent / "embedded"


@pytest.fixture(scope="module")
def manifest() -> list[dict[str, str]]:
    with open(EMBEDDED / "manifest.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_counts_are_the_datasheets(sixstyles: DomainImages) -> None:
    text = (EMBEDDED / "DATASHEET.md").read_text(encoding="utf-8")
    table = text[text.index("## Counts") : text.index("## How it was made")]
    header, *rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line.startswith("| ")
    ]
    stated = {row[0]: dict(zip(header[1:], map(int, row[1:]), strict=True)) for row in rows}
    counts = sixstyles.counts
    for domain, row in zip(sixstyles.domains, counts, strict=True):
        assert stated[domain] == dict(zip(sixstyles.classes, row.tolist(), strict=True)) | {"total": row.sum()}
    totals = dict(zip(sixstyles.classes, counts.sum(axis=0).tolist(), strict=True))
    assert stated["total"] == totals | {"total": 2397}
    assert len(sixstyles) == 2397


def test_the_archive_is_the_datasheets() -> None:
    text = (EMBEDDED / "DATASHEET.md").read_text(encoding="utf-8")
    for name in ("sixstyles.zip", "manifest.csv"):
        stated = re.search(rf"`{name}`.*sha256\s+`([0-9a-f]{{64}})`", text)
        assert stated
        assert hashlib.sha256((EMBEDDED / name).read_bytes()).hexdigest() == stated[1]


def test_every_picture_has_the_manifests_hash(manifest: list[dict[str, str]]) -> None:
    with list_sixstyles(DOMAINS).reader() as read:
        for row in manifest:
            assert hashlib.sha256(read(row["path"])).hexdigest() == row["sha256"]


def test_every_licence_has_its_text(manifest: list[dict[str, str]]) -> None:
    assert {row["licence"] for row in manifest} == {path.stem for path in (EMBEDDED / "LICENSES").iterdir()}


def test_labels_and_domains_agree_with_a_walk_of_the_archive(sixstyles: DomainImages) -> None:
    found = {}
    for file, label, domain, concept in zip(
        sixstyles.files, sixstyles.labels, sixstyles.domain, sixstyles.concepts or (), strict=True
    ):
        found[file] = (sixstyles.domains[domain], sixstyles.classes[label], concept)
    with zipfile.ZipFile(EMBEDDED / "sixstyles.zip") as archive:
        walked = {}
        for name in archive.namelist():
            _, domain, label, file = name.split("/")
            walked[name] = (domain, label, file.rsplit("__", 1)[0])
    assert found == walked


def test_pixels_belong_to_their_files(sixstyles: DomainImages) -> None:
    with zipfile.ZipFile(EMBEDDED / "sixstyles.zip") as archive:
        for row in range(0, len(sixstyles), 101):
            with Image.open(io.BytesIO(archive.read(sixstyles.files[row]))) as image:
                wanted = np.asarray(image.convert("RGB").resize((32, 32), Image.Resampling.BILINEAR))
            np.testing.assert_array_equal(sixstyles.pixels[row], wanted)


def test_four_domains_by_default_and_any_by_name(cache: Path) -> None:
    assert list_sixstyles().domains == ("photo", "clipart", "cartoon", "sketch")
    listing = list_sixstyles(["render3d", "flat"])
    assert Counter(listing.domain.tolist()) == {0: 349, 1: 358}
    assert listing.classes == list_sixstyles().classes
    with pytest.raises(InputError, match=r"unknown domain 'sketsch'.*Did you mean 'sketch'"):
        load_images("sixstyles", size=32, domains=("photo", "sketsch"), cache=cache)
