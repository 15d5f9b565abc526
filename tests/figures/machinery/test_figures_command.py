"""The registry's machinery: what is made, when it is made again, and what is said when runs are missing."""

import csv
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from landscape.algorithms.catalogue import METHODS
from landscape.errors import InputError
from landscape.figures.__main__ import choose, listing, main
from landscape.figures.machinery import registry, state
from landscape.figures.machinery.gallery import write_gallery
from landscape.figures.machinery.prepare import missing_runs, train_missing, updates_of
from landscape.figures.machinery.produce import produce, status_of
from landscape.figures.machinery.registry import ITEMS, Item
from landscape.figures.machinery.state import Manifest, code_of, inputs_of, key_of
from landscape.figures.machinery.study import Study

# A quick item that has a figure and a table, with runs behind it as far as the machinery is concerned.
PROBE = Item("probe", "FGMix", "Figure 0", "A probe", registry.erm_and_fgmix, (), maker="fig7:make")


def test_every_item_has_its_module_or_waits() -> None:
    assert len({item.name for item in ITEMS}) == len(ITEMS)
    for item in ITEMS:
        if not item.waits_for:
            assert callable(item.load()), item.name


def test_every_figure_and_table_of_both_papers_is_registered() -> None:
    names = {item.name for item in ITEMS}
    assert names >= {f"fig{n}" for n in range(1, 10)} | {"table1", "table2", "tableC1", "tableC2", "tableC3"}
    assert names >= {f"dge-fig{n}" for n in range(1, 8)} | {f"dge-table{n}" for n in range(1, 10)}
    assert names >= {"surfaces-per-domain", "conflict-map", "shift", "curvature-along-path", "weights-vs-invariance"}
    assert names >= {"scaling-sensitivity", "selection", "claims"}


def test_list_says_what_waits_and_what_is_made_by_name_only() -> None:
    lines = {line.split()[0]: line for line in listing().splitlines()}
    for item in ITEMS:
        assert ("[waits for" in lines[item.name]) == bool(item.waits_for)
        assert ("[only by name]" in lines[item.name]) == item.only_by_name
    assert {item.name for item in choose(())} == {item.name for item in ITEMS if not item.only_by_name}


def test_names_are_found_in_any_case_and_unknown_ones_get_a_suggestion() -> None:
    assert [item.name for item in choose(("TABLEC1", "fig5"))] == ["fig5", "tableC1"]
    with pytest.raises(InputError, match="fig6"):
        choose(("figg6",))


def test_an_item_that_waits_says_so_in_one_line(study: Study, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    if "dge" in METHODS:
        pytest.skip("DGE has arrived")
    main(["dge-fig1", "--out", str(tmp_path), "--root", str(study.root)])
    said = capsys.readouterr().out.strip()
    assert said == "dge-fig1: waits for the algorithm dge, which this version does not have"


def test_made_once_and_again_only_when_something_changes(study: Study, tmp_path: Path) -> None:
    written = produce(PROBE, study, out=tmp_path, formats=("png",))
    assert {path.suffix for path in written} >= {".png", ".csv", ".tex", ".md"}
    assert produce(PROBE, study, out=tmp_path, formats=("png",)) == []
    assert status_of(PROBE, study, tmp_path) == "current"

    more = produce(PROBE, study, out=tmp_path, formats=("svg",))
    assert {".svg", ".png"} <= {path.suffix for path in more}  # what was asked for before stays up to date
    assert produce(PROBE, study, out=tmp_path, formats=("png",)) == []

    other_scale = replace(study, scale=replace(study.scale, directions=study.scale.directions + 1))
    assert status_of(PROBE, other_scale, tmp_path) == "stale"
    assert status_of(PROBE, replace(study, seeds=(0,)), tmp_path) == "stale"

    next(path for path in more if path.suffix == ".svg").unlink()
    assert status_of(PROBE, study, tmp_path) == "missing"


def test_a_changed_checkpoint_makes_a_figure_stale(demo_study: Study, tmp_path: Path) -> None:
    root = tmp_path / "checkpoints"
    shutil.copytree(demo_study.root, root)
    study = replace(demo_study, root=root)
    produce(PROBE, study, out=tmp_path, formats=("png",))
    run = study.run("fgmix", study.main)
    assert run is not None
    content = bytearray(run.find().read_bytes())
    content[-1] ^= 1
    run.find().write_bytes(bytes(content))
    assert status_of(PROBE, study, tmp_path) == "stale"


def test_code_is_followed_through_imports_within_functions() -> None:
    items = {item.name: code_of(item) for item in ITEMS}
    figures = "landscape.figures"
    assert {
        f"{figures}.items.claims",
        f"{figures}.numbers.claim_tests",
        f"{figures}.numbers.interval",
        f"{figures}.items.fig4",
        f"{figures}.items.tablec3",
        "landscape.plots.claims",
        "landscape.toy.three_losses",
        "landscape.reference.stated_claims",
    } <= items["claims"]
    # Not what makes the items, and of plots and toys only what is imported.
    assert items["fig7"] == {
        f"{figures}.items.fig7",
        "landscape.plots.canvas",
        "landscape.plots.fig7",
        "landscape.plots.theme",
        "landscape.toy",
        "landscape.toy.four_gradients",
        "landscape.reference",
    }
    assert "landscape.reference" not in items["fig1"] | items["fig6"]
    # A name that loads late hides the module that it is from, so nobody imports one.
    assert not {"landscape.plots", figures} & set[str]().union(*items.values())


@pytest.fixture
def copied_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package's source in a folder that may be changed; what is followed is read there."""
    copy = tmp_path / "landscape"
    shutil.copytree(state._PACKAGE, copy, ignore=shutil.ignore_patterns("embedded", "__pycache__"))
    monkeypatch.setattr(state, "_PACKAGE", copy)
    return copy


def test_a_new_module_of_plots_changes_no_key(make_study: Callable[..., Study], copied_package: Path) -> None:
    study = make_study()
    before = {item.name: key_of(item, study, {}) for item in ITEMS if not item.waits_for}
    (copied_package / "plots" / "fig10.py").write_text('"""A figure to come."""\n')
    assert before == {item.name: key_of(item, study, {}) for item in ITEMS if not item.waits_for}


@pytest.mark.parametrize("module", ["plots/fig9.py", "plots/selection.py", "toy/planar_domains.py", "plots/levels.py"])
def test_a_changed_module_changes_the_keys_of_the_items_that_import_it(
    module: str, make_study: Callable[..., Study], copied_package: Path
) -> None:
    study = make_study()
    made = [item for item in ITEMS if not item.waits_for]
    before = {item.name: key_of(item, study, {}) for item in made}
    path = copied_package / module
    path.write_text(path.read_text() + "# changed\n")
    name = "landscape." + module.removesuffix(".py").replace("/", ".")
    importing = {item.name for item in made if name in code_of(item)}
    assert {item.name for item in made if key_of(item, study, {}) != before[item.name]} == importing
    expected = {"fig9": {"fig9"}, "selection": {"selection"}, "planar_domains": {"fig1"}, "levels": {"fig6"}}[path.stem]
    assert expected <= importing < {item.name for item in made}
    assert "fig7" not in importing


def test_the_papers_numbers_count_where_they_are_read(make_study: Callable[..., Study], copied_package: Path) -> None:
    study, items = make_study(), {item.name: item for item in ITEMS}
    before = {name: key_of(items[name], study, {}) for name in ("fig5", "fig7", "table1")}
    path = copied_package / "reference" / "fgmix_results.csv"
    path.write_text(path.read_text() + "\n")
    changed = {name for name, key in before.items() if key_of(items[name], study, {}) != key}
    assert changed == {"fig7", "table1"}


def test_runs_that_are_only_read_count_when_they_exist(study: Study) -> None:
    reader = replace(PROBE, wanted=registry.no_runs, reads=registry.erm_and_fgmix)
    assert reader.runs(study) == []
    assert inputs_of(reader, study) == inputs_of(PROBE, study)


def test_a_smaller_result_says_what_it_replaces(
    study: Study, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    produce(PROBE, study, out=tmp_path, formats=("png",))
    made = PROBE.make(study)
    smaller = replace(made, tables=dict([next(iter(made.tables.items()))]))
    monkeypatch.setattr("landscape.figures.items.fig7.make", lambda study: smaller)
    written = produce(PROBE, replace(study, seeds=(0,)), out=tmp_path, formats=("pdf",))
    assert {".png", ".pdf"} <= {path.suffix for path in written}  # no format is left as it was
    assert "probe: replaces python -m landscape.figures probe --train" in capsys.readouterr().err
    assert set(Manifest(tmp_path).read()[f"{study.folder}/probe"]["files"]) == {
        str(path.relative_to(tmp_path)) for path in tmp_path.rglob("probe*") if path.is_file()
    }


def test_inputs_are_the_finished_runs(study: Study, demo_study: Study) -> None:
    assert len(inputs_of(PROBE, study)) == 2 * 2 * 2
    (erm, fgmix) = sorted(inputs_of(PROBE, demo_study))
    assert "-erm-" in erm
    assert "-fgmix-" in fgmix
    inputs = inputs_of(PROBE, study)
    assert key_of(PROBE, study, inputs) != key_of(PROBE, study, inputs_of(PROBE, demo_study))


def test_same_inputs_same_bytes_with_the_provenance_inside(study: Study, tmp_path: Path) -> None:
    formats = ("png", "pdf", "svg")
    first = produce(PROBE, study, out=tmp_path / "a", formats=formats)
    second = produce(PROBE, study, out=tmp_path / "b", formats=formats)
    assert [path.name for path in first] == [path.name for path in second]
    run = next(iter(inputs_of(PROBE, study)))
    for one, two in zip(first, second, strict=True):
        content = one.read_bytes()
        assert content == two.read_bytes(), one.name
        assert b"landscape.figures probe --train" in content, one.name
        assert run.encode() in content, one.name


def test_the_manifest_describes_every_file(study: Study, tmp_path: Path) -> None:
    written = produce(PROBE, study, out=tmp_path, formats=("png",))
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    entry = manifest["items"][f"{study.folder}/probe"]
    assert {str(path.relative_to(tmp_path)) for path in written} == set(entry["files"])
    assert entry["command"].startswith("python -m landscape.figures probe --train")
    assert entry["seeds"] == []  # the toy has none
    page = write_gallery(tmp_path, Manifest(tmp_path).read()).read_text()
    assert entry["finding"] in page
    assert entry["caption"] in page
    assert entry["command"] in page


def test_a_table_reads_back(study: Study, tmp_path: Path) -> None:
    written = produce(PROBE, study, out=tmp_path, formats=())
    path = next(path for path in written if path.suffix == ".csv")
    lines = path.read_text().splitlines()
    assert json.loads(lines[0].removeprefix("# "))["title"] == "A probe"
    rows = list(csv.DictReader(lines[1:]))
    assert rows
    body = path.with_suffix(".md").read_text().strip().splitlines()[2:]
    assert len(body) == len(rows) + 2


def test_a_damaged_manifest_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"format": 1')
    with pytest.raises(InputError, match="no manifest of this version"):
        Manifest(tmp_path).read()


@pytest.fixture
def probe_registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for module in (
        "landscape.figures.machinery.registry",
        "landscape.figures.__main__",
        "landscape.figures.machinery.gallery",
    ):
        monkeypatch.setattr(f"{module}.ITEMS", (PROBE,))
    return


@pytest.mark.usefixtures("probe_registered")
def test_check_tells_what_is_late(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(InputError, match="1 of 1 are missing, or were made of other runs"):
        main(["--check", "--out", str(tmp_path), "--root", str(tmp_path)])
    assert "probe: missing" in capsys.readouterr().out


def test_missing_runs_are_counted_and_made_once(make_study: Callable[..., Study]) -> None:
    study = make_study(seeds=(0,), chosen=("sketch",))
    missing = missing_runs([PROBE, PROBE], study)
    assert [config.algorithm for config in missing] == ["erm", "fgmix"]
    # T0 is 5 of 8 steps: 4 shared updates, then 4 of each.
    assert [(plain, mixing) for _, plain, mixing in updates_of(missing, study)] == [(8, 0), (0, 4)]
    train_missing(missing, study)
    assert missing_runs([PROBE], study) == []
    steps = [row["step"] for config in missing for row in study.locate(config).journal.read() if row["event"] == "step"]
    assert sorted(steps) == [5, 5, 6, 6, 7, 7, 8, 8]


def test_runs_that_lack_are_named_with_the_command_that_makes_them(make_study: Callable[..., Study]) -> None:
    study = make_study()
    with pytest.raises(InputError, match="--train") as error:
        study.need(("erm", "fgmix"), "sketch")
    assert "python -m landscape.train --preset quick --algorithm erm --target sketch --seed 0" in str(error.value)
    with pytest.raises(InputError, match="ERM, FGMix"):
        study.complete(("erm", "fgmix"))


def test_unknown_targets_get_a_suggestion(make_study: Callable[..., Study]) -> None:
    with pytest.raises(InputError, match="sketch"):
        _ = make_study(chosen=("sketsh",)).targets


def test_the_cost_counts_every_update_and_image(study: Study, make_study: Callable[..., Study]) -> None:
    from landscape.figures.machinery.cost import estimate, passes

    empty = make_study()
    missing = missing_runs([PROBE], empty)
    cost = estimate([PROBE], missing, empty)
    assert (cost.runs, cost.plain, cost.mixing) == (8, 4 * 8, 4 * 4)
    assert cost.training > 0
    assert estimate([PROBE], [], study).training == 0
    images = len(empty.listing.entries)
    every = 2 * 2 * (3 * 3 + 11) * images  # targets, seeds, points
    assert passes(choose(("fig6",)), empty) == every
    assert passes(choose(("fig6", "shift", "surfaces-per-domain")), empty) == every  # measured once
    assert passes(choose(("surfaces-per-domain",)), empty) == (3 * 3 + 11) * images
    curve = 24 * 2 * 6  # images, gammas, directions
    assert passes(choose(("scaling-sensitivity",)), empty) == 10 * 2 * curve  # runs, seeds
    assert "forward passes" in cost.words()
