"""What the package says about itself and about what it embeds, against the files themselves."""

import ast
import csv
import re
import sys
import tomllib
from collections import Counter
from importlib import metadata
from pathlib import Path

import landscape
from landscape.storage import DISTRIBUTION

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "landscape"
EMBEDDED = PACKAGE / "data" / "embedded"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
NOTICE = (ROOT / "NOTICE").read_text(encoding="utf-8")
with open(EMBEDDED / "manifest.csv", encoding="utf-8", newline="") as table:
    PICTURES = list(csv.DictReader(table))

# What the manifest calls a licence, where the expression needs its SPDX name.
SPDX = {"GPL-2.0": "GPL-2.0-only", "Public-Domain": "LicenseRef-Public-Domain"}


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[^A-Za-z0-9._-]", line)[0].lower().replace("_", "-") for line in requirements}


def test_licence_expression_covers_code_and_every_picture() -> None:
    licences = {SPDX.get(row["licence"], row["licence"]) for row in PICTURES}
    assert set(PROJECT["project"]["license"].split(" AND ")) == licences | {"Apache-2.0"}


def test_every_picture_licence_has_its_text() -> None:
    assert {path.stem for path in (EMBEDDED / "LICENSES").iterdir()} == {row["licence"] for row in PICTURES}
    for pattern in PROJECT["project"]["license-files"]:
        assert list(ROOT.glob(pattern)), pattern


def test_notice_counts_the_pictures_right() -> None:
    by_licence = Counter(row["licence"] for row in PICTURES)
    stated = dict(re.findall(r"^  ([A-Z]\S*(?: domain)?) +(\d+)   ", NOTICE, re.MULTILINE))
    assert {name.replace("Public domain", "Public-Domain"): int(n) for name, n in stated.items()} == by_licence

    by_source = Counter((row["domain"], f"{row['source_package']} {row['source_version']}") for row in PICTURES)
    rows = re.findall(r"^  (\w+) +(\S+ \S+)(?: \([^)]*\))? +(\d+)  \S", NOTICE, re.MULTILINE)
    assert {(domain, source): int(n) for domain, source, n in rows} == by_source
    assert f"{len(PICTURES):,} pictures" in NOTICE


def test_wheel_takes_everything_that_is_no_python() -> None:
    patterns = PROJECT["tool"]["setuptools"]["package-data"]
    taken = {
        path
        for package, globs in patterns.items()
        for pattern in globs
        for path in (ROOT / package.replace(".", "/")).glob(pattern)
    }
    data = {path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    assert data - taken == set()


def test_version_is_the_same_everywhere() -> None:
    version = PROJECT["project"]["version"]
    assert landscape.__version__ == version
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert PROJECT["project"]["name"] == DISTRIBUTION


def test_what_is_imported_is_required() -> None:
    # One import name can belong to several distributions; one of them has to be required.
    homes = metadata.packages_distributions()
    required = names(PROJECT["project"]["dependencies"])
    # Imported only when it is asked for, with a sentence where it is missing.
    required |= names(PROJECT["project"]["optional-dependencies"]["distributed"])
    imported: set[str] = set()
    for path in PACKAGE.rglob("*.py"):
        if EMBEDDED in path.parents:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                imported.add(node.module.split(".")[0])
    # timm brings huggingface_hub; what looks into timm's cache of downloads asks the same library.
    imported -= {"landscape", "huggingface_hub", *sys.stdlib_module_names}
    missing = {name for name in imported if not required & names(homes.get(name, [name]))}
    assert missing == set()


def test_no_file_records_an_address_of_a_registry() -> None:
    for name in ("pyproject.toml", "Makefile", ".ci/run"):
        assert not re.search(r"https?://|index-url|find-links", (ROOT / name).read_text(encoding="utf-8")), name
