"""Which run a configuration means: longer, shorter, another T0, other data, another spelling."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from runs import interrupt_at, same_run

from landscape.config import RunConfig
from landscape.errors import InputError
from landscape.training import Run, engine, plan, summarise, train


def test_a_finished_run_is_left_alone(tiny: RunConfig, tmp_path: Path) -> None:
    run = train(tiny, root=tmp_path, progress=False)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert "nothing to do" in plan(tiny, root=tmp_path)
    assert train(tiny, root=tmp_path, progress=False) == run
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_more_steps_equal_one_longer_run(tiny: RunConfig, tmp_path: Path) -> None:
    train(tiny, root=tmp_path / "grown", progress=False)
    longer = tiny.replace(steps=12)
    same_run(
        train(longer, root=tmp_path / "grown", progress=False), train(longer, root=tmp_path / "whole", progress=False)
    )


def test_a_later_t0_extends_the_trunk(tiny: RunConfig, tmp_path: Path) -> None:
    train(tiny, root=tmp_path / "grown", progress=False)
    later = tiny.replace(mixup=replace(tiny.mixup, start=7))
    grown = train(later, root=tmp_path / "grown", progress=False)
    fresh = train(later, root=tmp_path / "fresh", progress=False)
    same_run(grown, fresh)
    assert grown.trunk.states() == [4, 6]


def test_an_earlier_t0_leaves_the_trunk_as_it_is(tiny: RunConfig, tmp_path: Path) -> None:
    first = train(tiny, root=tmp_path / "both", progress=False)
    before = first.metrics()
    kept = {path: path.read_bytes() for path in first.trunk.folder.glob("*") if path.is_file()}
    earlier = tiny.replace(mixup=replace(tiny.mixup, start=3))
    same_run(
        train(earlier, root=tmp_path / "both", progress=False), train(earlier, root=tmp_path / "alone", progress=False)
    )
    assert Run.open(first.folder).metrics() == before
    assert {path: path.read_bytes() for path in kept} == kept
    assert first.trunk.states() == [2, 4]
    short = train(tiny.replace(algorithm="erm", steps=2), root=tmp_path / "both", progress=False)
    assert [step for step, _ in short.checkpoints()] == [0, 2]
    assert Run.open(first.folder).metrics() == before


def test_a_longer_run_continues_and_is_never_cut_back(tiny: RunConfig, tmp_path: Path) -> None:
    train(tiny, root=tmp_path, progress=False)
    assert "updates 9 to 12" in plan(tiny.replace(steps=12), root=tmp_path)
    train(tiny.replace(steps=12), root=tmp_path, progress=False)
    again = train(tiny, root=tmp_path, progress=False)
    assert again.find().stem == "step-000008"
    assert max(row["step"] for row in again.metrics()) == 8
    with pytest.raises(InputError, match=r"12 steps long already .*recorded \(6, 8, 10, 12\)"):
        train(tiny.replace(steps=7), root=tmp_path, progress=False)
    assert Run.open(again.folder).config.steps == 12


def test_fewer_steps_than_an_interrupted_run_has(tiny: RunConfig, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        interrupt_at(patch, 7)
        with pytest.raises(KeyboardInterrupt):
            train(tiny, root=tmp_path, progress=False)
    with pytest.raises(InputError, match="7 steps long already"):
        train(tiny.replace(steps=5), root=tmp_path, progress=False)


@pytest.mark.parametrize("shared", [True, False])
def test_an_interrupted_run_keeps_its_beginning(tiny: RunConfig, tmp_path: Path, shared: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        interrupt_at(patch, 7)
        with pytest.raises(KeyboardInterrupt):
            train(tiny, root=tmp_path, share_trunk=shared, progress=False)
    run = train(tiny, root=tmp_path, share_trunk=not shared, progress=False)
    assert [step for step, _ in run.checkpoints()] == [0, 2, 4, 6, 8]
    assert (run.trunk is not None) == shared


def test_changed_images_are_noticed(image_folder: Path, tiny: RunConfig, tmp_path: Path) -> None:
    copy = tmp_path / "images"
    shutil.copytree(image_folder, copy)
    config = tiny.replace(data=str(copy))
    train(config, root=tmp_path / "runs", progress=False)
    (copy / "ink" / "bar" / "00.png").unlink()
    for algorithm in ("fgmix", "a"):  # the run itself, and another that would branch from its trunk
        with pytest.raises(InputError, match="changed since"):
            train(config.replace(algorithm=algorithm), root=tmp_path / "runs", progress=False)


def test_one_target_however_it_is_spelled(tiny: RunConfig, tmp_path: Path) -> None:
    run = train(tiny, root=tmp_path, progress=False)
    assert train(tiny.replace(target="Neon", data=tiny.data + "/"), root=tmp_path, progress=False) == run


@pytest.mark.parametrize(
    ("domains", "mixup", "message"),
    [(("clay", "neon"), {}, "the only one"), ((), {"domains_per_mixup": 3}, "there are 2 sources")],
)
def test_what_cannot_be_mixed_is_said_before_training(
    tiny: RunConfig, tmp_path: Path, domains: tuple, mixup: dict, message: str
) -> None:
    config = tiny.replace(domains=domains, mixup=replace(tiny.mixup, **mixup))
    with pytest.raises(InputError, match=message):
        train(config, root=tmp_path, progress=False)
    assert not list(tmp_path.iterdir())


def test_validation_can_be_augmented(tiny: RunConfig, tmp_path: Path) -> None:
    plain = train(tiny.replace(algorithm="erm", steps=2), root=tmp_path, progress=False)
    augmented = train(tiny.replace(algorithm="erm", steps=2, augment_validation=True), root=tmp_path, progress=False)
    a, b = plain.load(0).metrics, augmented.load(0).metrics
    assert a["validation"]["loss"] != b["validation"]["loss"]
    assert a["target"] == b["target"]


def test_a_run_that_ends_before_t0_is_not_called_fgmix(tiny: RunConfig, tmp_path: Path) -> None:
    late = tiny.replace(mixup=replace(tiny.mixup, start=100))
    for refuse in (train, plan):
        with pytest.raises(InputError, match=r"starts to mix at step 100 \(T0\), but the run ends at step 8"):
            refuse(late, root=tmp_path)
    assert not list(tmp_path.iterdir())
    # The last step may be T0.
    run = train(tiny.replace(steps=5, record_every=5), root=tmp_path, progress=False)
    assert run.metrics()[-1]["step"] == 5


def test_a_source_without_held_out_images(tiny: RunConfig, image_folder: Path, tmp_path: Path) -> None:
    rows = ["path,domain,class,concept"]
    for path in sorted(image_folder.rglob("*.png")):
        domain, name = path.parts[-3:-1]
        rows.append(f"{path},{domain},{name},{domain}{int(path.stem) % 4}")
    (tmp_path / "list.csv").write_text("\n".join(rows))
    config = tiny.replace(algorithm="erm", data=str(tmp_path / "list.csv"), steps=2)
    seed = next(
        seed
        for seed in range(100)
        if len(engine.open_task(config.replace(seed=seed), progress=False).rows("clay", "out")) == 0
    )
    run = train(config.replace(seed=seed), root=tmp_path, progress=False)
    metrics = run.load().metrics
    assert metrics["validation_per_domain"]["clay"]["n"] == 0
    assert metrics["validation"]["accuracy"] == metrics["validation_per_domain"]["ink"]["accuracy"]
    assert "neon" in summarise(run)
