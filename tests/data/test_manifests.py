"""CSV and JSON manifests."""

import json
from pathlib import Path

import pytest

from landscape.data import load_images
from landscape.data.images import list_images
from landscape.errors import InputError

TREE = {"p": {"cat": 2, "dog": 1}, "q": {"cat": 1, "dog": 2}}


def table(root: Path) -> list[dict[str, str]]:
    return [
        {"path": str(path.relative_to(root.parent)), "domain": path.parts[-3], "class": path.parts[-2]}
        for path in sorted(root.rglob("*.png"), reverse=True)
    ]


def write_csv(file: Path, rows: list[dict[str, str]]) -> Path:
    lines = [",".join(rows[0]), *(",".join(row.values()) for row in rows)]
    file.write_text("\r\n".join(lines) + "\r\n", encoding="utf-8-sig")  # as a spreadsheet writes it
    return file


def test_csv_json_and_folder_agree(make_folder, tmp_path: Path) -> None:
    root = make_folder(TREE)
    rows = table(root)
    from_csv = load_images(str(write_csv(tmp_path / "table.csv", rows)), size=8, progress=False)
    (tmp_path / "table.json").write_text(json.dumps(rows))
    from_json = load_images(str(tmp_path / "table.json"), size=8, progress=False)
    folder = load_images(str(root), size=8, progress=False)
    for images in (from_csv, from_json):
        assert images.domains == folder.domains
        assert images.classes == folder.classes
        assert images.files == tuple(f"pictures/{file}" for file in folder.files)
        assert images.labels.tolist() == folder.labels.tolist()
        assert images.pixels.tobytes() == folder.pixels.tobytes()
        assert images.concepts is None
    assert from_csv.digest == from_json.digest


def test_concepts_and_absolute_paths(make_folder, tmp_path: Path) -> None:
    root = make_folder(TREE)
    rows = [row | {"path": str(tmp_path / row["path"]), "concept": f"c{i}"} for i, row in enumerate(table(root))]
    other = tmp_path / "other"
    other.mkdir()
    images = load_images(str(write_csv(other / "table.csv", rows)), size=8, progress=False)
    assert dict(zip(images.files, images.concepts or (), strict=True)) == {r["path"]: r["concept"] for r in rows}


def test_missing_columns_are_named(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("path,label,domain\na.png,cat,p\n")
    with pytest.raises(InputError, match=r"lacks class; expected the columns .*, found path, label, domain"):
        list_images(str(tmp_path / "t.csv"))
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(InputError, match=r"lacks path and domain and class.*found none"):
        list_images(str(tmp_path / "empty.csv"))


@pytest.mark.parametrize("column", ["path", "domain", "class", "concept"])
def test_an_empty_value_is_named_by_its_line(column: str, make_folder, tmp_path: Path) -> None:
    rows = [row | {"concept": "c"} for row in table(make_folder(TREE))]
    rows[2][column] = ""
    with pytest.raises(InputError, match=rf"t.csv, line 4: {column} is empty"):
        list_images(str(write_csv(tmp_path / "t.csv", rows)))


def test_a_path_listed_twice(make_folder, tmp_path: Path) -> None:
    rows = table(make_folder(TREE))
    with pytest.raises(InputError, match=r"pictures/q/dog/1.png is listed twice"):
        list_images(str(write_csv(tmp_path / "t.csv", [*rows, rows[0]])))


def test_a_class_of_one_domain(make_folder, tmp_path: Path) -> None:
    rows = table(make_folder(TREE))
    rows[0]["class"] = "elk"
    with pytest.raises(InputError, match=r"'elk' \(only in 'q'\)"):
        list_images(str(write_csv(tmp_path / "t.csv", rows)))


def test_what_is_no_manifest(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("[{")
    (tmp_path / "object.json").write_text('{"path": 1}')
    (tmp_path / "latin.csv").write_bytes("path,domain,class\né.png,p,q\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"broken.json cannot be read \("):
        list_images(str(tmp_path / "broken.json"))
    with pytest.raises(InputError, match=r"object.json has to be a list of objects"):
        list_images(str(tmp_path / "object.json"))
    with pytest.raises(InputError, match=r"latin.csv cannot be read .*expected UTF-8"):
        list_images(str(tmp_path / "latin.csv"))


def test_a_listed_file_that_does_not_exist_is_left_out(make_folder, tmp_path: Path, capsys) -> None:
    rows = [*table(make_folder(TREE)), {"path": "gone.png", "domain": "p", "class": "cat"}]
    images = load_images(str(write_csv(tmp_path / "t.csv", rows)), size=8, progress=False)
    assert images.unreadable == ("gone.png",)
    assert len(images) == 6
    assert "left out 1 of 7 images" in capsys.readouterr().err
