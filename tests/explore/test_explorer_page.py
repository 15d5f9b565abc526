"""The folder: the data are the results, the same bytes twice, complete, offline; what is missing is said."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import make_surface
from PIL import Image
from scipy.interpolate import RegularGridInterpolator

from landscape.errors import InputError
from landscape.explore.found import Found
from landscape.explore.page import write_explorer
from landscape.plots import theme
from landscape.surface.surface import Surface


def test_a_folder_is_searched_and_results_are_recognised_by_their_content(results: Path) -> None:
    found = Found.at([results])
    kinds = (found.surfaces, found.flatness, found.embeddings, found.associations, found.claims)
    assert [len(each) for each in kinds] == [2, 1, 1, 1, 1]
    assert len(found.claims[0][1]) == 2
    twice = Found.at([results, results / "flatness.nc", results / "more"])
    assert len(twice.flatness) == 1
    assert len(twice.surfaces) == 2


def test_surface_data_are_the_result(page: Path, results: Path, data_of) -> None:
    surface = Surface.load(results / "surface-neon.nc")
    data = data_of(page, "surface-1")
    assert data["target"] == "neon"
    assert [panel["key"] for panel in data["panels"]] == ["train_loss", "fgmix_train_loss", "test_accuracy"]
    for panel in data["panels"]:
        np.testing.assert_array_equal(panel["figure"]["data"][0]["z"], surface.panel(panel["key"]).values)
    assert {(each["domain"], each["split"]) for each in data["domains"] if each["metric"] == "loss"} == {
        (domain, split) for domain in ("clay", "ink", "mist", "neon") for split in ("in", "out", "all")
    }
    for each in data["domains"]:
        expected = surface.panel(each["metric"], domain=each["domain"], split=each["split"]).values
        np.testing.assert_array_equal(each["figure"]["data"][0]["z"], expected)
        assert each["n"] == (20 if each["split"] == "all" else 10)


def test_losses_share_their_colours(page: Path, data_of) -> None:
    data = data_of(page, "surface-1")
    everything = [(each["key"], each) for each in data["panels"]] + [(each["metric"], each) for each in data["domains"]]
    for loss in (True, False):
        traces = [each["figure"]["data"][0] for key, each in everything if key.endswith("loss") == loss]
        assert len({(t["zmin"], t["zmax"], t["contours"]["size"], str(t["colorscale"])) for t in traces}) == 1


def test_values_along_a_path_are_the_grids_and_true_where_they_are_known(page: Path, results: Path, data_of) -> None:
    surface = Surface.load(results / "surface-neon.nc")
    paths = data_of(page, "surface-1")["paths"]
    grid = RegularGridInterpolator((surface.y, surface.x), surface.panel("train_loss").values)
    for path, trajectory in zip(paths, surface.trajectories, strict=True):
        assert path["step"] == trajectory.step.tolist()
        assert path["residual"] == trajectory.residual.tolist()
        np.testing.assert_allclose(path["at"]["train_loss"], grid(np.stack([trajectory.y, trajectory.x], axis=1)))
    raw, averaged, other = paths
    assert [known and known["train_loss"] for known in raw["true"]] == [2.0, None, None, None, 5.5]
    assert [known and known["train_loss"] for known in averaged["true"]] == [None, 4.9]
    assert other["true"][-1] is None  # no mark says what its end is worth


def test_flatness_data_are_the_result(page: Path, results: Path, data_of) -> None:
    ((_, flatness),) = Found.at([results / "flatness.nc"]).flatness
    panels = data_of(page, "flatness-0")["panels"]
    assert len(panels) == 2 * 3
    for panel in panels:
        means = [trace for trace in panel["figure"]["data"] if trace["meta"] == "mean"]
        directions = [trace for trace in panel["figure"]["data"] if trace["meta"] == "directions"]
        for curve, mean, each in zip(flatness.curves, means, directions, strict=True):
            assert mean["name"] == curve.method
            assert mean["y"] == curve.mean(panel["statistic"], panel["loss"]).tolist()
            assert mean["customdata"] == curve.interval(panel["statistic"], panel["loss"]).tolist()
            drawn = np.array(each["y"], dtype=float).reshape(curve.directions, -1)[:, :-1].T
            np.testing.assert_array_equal(drawn, curve.values(panel["statistic"], panel["loss"]))


def test_codes_know_their_members_weights_and_pictures(page: Path, results: Path, images: Path, data_of) -> None:
    ((_, embedding),) = Found.at([results / "embedding.nc"]).embeddings
    data = data_of(page, "embedding-0")
    assert data["x"] == embedding.points[:, 0].tolist()
    assert data["members"][-1] == embedding.members[-1].tolist()
    assert data["weights"][-1] == [1.25, 0.5, -0.75]
    assert data["members"][0] == data["weights"][0] == []
    album = data["album"]
    sheet = np.asarray(Image.open(page.parent / album["sheets"][0]))
    for index in (0, 9, 31):
        place, side = data["thumb"][index], album["side"]
        top, left = place // album["columns"] * side, place % album["columns"] * side
        original = np.asarray(Image.open(images / data["files"][index]))
        assert np.abs(sheet[top + 32, left + 32].astype(int) - original[0, 0]).max() < 6


def test_scores_are_the_result(page: Path, results: Path, data_of) -> None:
    ((_, association),) = Found.at([results / "correlation.nc"]).associations
    data = data_of(page, "correlation-0")
    for panel, pair in zip(data["panels"], association.pairs, strict=True):
        (trace,) = panel["figure"]["data"]
        assert (trace["x"], trace["y"]) == (pair.cosine.tolist(), pair.score.tolist())
        assert panel["title"] == pair.name
        assert f"{pair.rho.value:.2f}" in panel["estimate"]
        assert panel["thumb"] == pair.rows.tolist()  # the album holds all images, in order


def test_the_same_results_give_the_same_bytes(results: Path, images: Path, page: Path, tmp_path: Path) -> None:
    stale = tmp_path / "page" / "data" / "surface-7.js"
    own = tmp_path / "page" / "data" / "notes.txt"
    own.parent.mkdir(parents=True)
    stale.write_text("of an earlier page")
    own.write_text("the reader's")
    write_explorer([results], tmp_path / "page", data=[str(images)])
    assert own.is_file()
    own.unlink()

    def content(folder: Path) -> dict[str, bytes]:
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    assert content(tmp_path / "page") == content(page.parent)


def test_the_page_names_only_files_beside_it(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    files = re.findall(r'(?:src|href)="([^"#]+)"', text)
    assert [name for name in files if not name.startswith("data:") and not (page.parent / name).is_file()] == []
    scripts = "".join(
        path.read_text(encoding="utf-8") for path in page.parent.glob("*.[jc]s*") if "plotly" not in path.name
    )
    assert not re.search(r"https?://|fetch\(|XMLHttpRequest", text + scripts)
    for mode in ("light", "dark"):
        assert all(f"--{name}: {colour};" in text for name, colour in theme.SCREEN[mode].items())


def test_what_is_missing_is_said(results: Path, tmp_path: Path, data_of) -> None:
    page, notes = write_explorer([results / "flatness.nc"], tmp_path)
    index = data_of(page, "index")
    assert notes == []
    assert {kind for kind, found in index["sections"].items() if not found} == {
        "surface",
        "embedding",
        "correlation",
        "claims",
    }
    assert "python -m landscape.surface" in index["missing"]["surface"]
    assert not (tmp_path / "images").exists()


def test_without_its_data_an_embedding_names_files(results: Path, tmp_path: Path, data_of) -> None:
    page, notes = write_explorer([results / "embedding.nc"], tmp_path)
    assert len(notes) == 1
    assert "--data" in notes[0]
    data = data_of(page, "embedding-0")
    assert data["album"] is None
    assert data["thumb"] == []
    assert len(data["files"]) == 32


def test_results_of_one_name_are_told_apart(results: Path, tmp_path: Path, data_of) -> None:
    (tmp_path / "again.nc").write_bytes((results / "flatness.nc").read_bytes())
    page, _ = write_explorer([results / "flatness.nc", tmp_path / "again.nc"], tmp_path / "page")
    names = [entry["name"] for entry in data_of(page, "index")["sections"]["flatness"]]
    assert names == ["ERM + SWA, FGMix + SWA (flatness)", "ERM + SWA, FGMix + SWA (again)"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[]", "is no claims ledger"),
        ('{"format": 2, "claims": []}', "format 2"),
        ('{"format": 1, "claims": [{"id": "a"}]}', "claim a in"),
        ('{"format": 1, "claims": [3]}', "has the claim 3"),
        ('{"format": 1, "claims": ["x"]}', "has the claim 'x'"),
        ("{", "is no claims ledger"),
    ],
)
def test_a_broken_ledger_is_an_error_if_it_was_named_and_else_a_note(
    content: str, says: str, results: Path, tmp_path: Path
) -> None:
    (tmp_path / "claims.json").write_text(content)
    with pytest.raises(InputError, match=says):
        Found.at([tmp_path / "claims.json"])
    found = Found.at([tmp_path, results])
    (note,) = found.notes
    assert note.startswith("left out: ")
    assert says in note
    assert len(found.claims) == 1


def test_every_ledger_is_listed_by_its_folder(results: Path, tmp_path: Path, data_of) -> None:
    ledger = json.loads((results / "claims.json").read_text())
    for name, count in (("quick", 2), ("full", 1)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "claims.json").write_text(json.dumps(ledger | {"claims": ledger["claims"][:count]}))
    page, _ = write_explorer([tmp_path], tmp_path / "page")
    listed = data_of(page, "index")["sections"]["claims"]
    assert [(entry["key"], entry["name"]) for entry in listed] == [("claims-0", "full"), ("claims-1", "quick")]
    assert [len(data_of(page, entry["key"])["claims"]) for entry in listed] == [1, 2]


def test_results_of_several_seeds_are_named_after_them(tmp_path: Path, data_of) -> None:
    for target, seed in (("neon", 0), ("neon", 1), ("clay", 0)):
        surface = make_surface(target)
        surface.about["seeds"] = [seed]
        surface.save(tmp_path / f"surface-{target}-{seed}.nc")
    page, _ = write_explorer([tmp_path], tmp_path / "page")
    names = [(each["target"], each["name"]) for each in data_of(page, "index")["sections"]["surface"]]
    assert names == [("clay", "ERM, FGMix, seed 0"), ("neon", "ERM, FGMix, seed 0"), ("neon", "ERM, FGMix, seed 1")]


def test_a_claim_with_an_unknown_verdict_is_an_error(results: Path, tmp_path: Path) -> None:
    ledger = json.loads((results / "claims.json").read_text())
    ledger["claims"][0]["verdict"] = "true"
    (tmp_path / "claims.json").write_text(json.dumps(ledger))
    with pytest.raises(InputError, match="verdict 'true'"):
        Found.at([tmp_path / "claims.json"])


def test_files_that_are_no_result(results: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        Found.at([tmp_path / "nothing.nc"])
    with pytest.raises(InputError, match="no result in"):
        Found.at([tmp_path])
    (tmp_path / "other.nc").write_text("text")
    with pytest.raises(InputError, match="is no result that the page"):
        Found.at([tmp_path / "other.nc"])
    # A folder may hold other things; they are left out with a line.
    (note,) = Found.at([tmp_path, results]).notes
    assert "other.nc" in note


def test_the_command(results: Path, images: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "landscape.explore",
        str(results),
        "--data",
        str(images),
        "--out",
        str(tmp_path / "page"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"wrote {tmp_path / 'page' / 'index.html'}\n"
    nothing = subprocess.run(command[:3], capture_output=True, text=True, check=False)
    assert nothing.returncode == 2
    assert nothing.stderr.startswith("error: got no results")
