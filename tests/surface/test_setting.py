"""What three checkpoints say, and what is refused."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from landscape.checkpoint import Checkpoint
from landscape.config import RunConfig
from landscape.errors import InputError
from landscape.surface.plan import Plan
from landscape.surface.recipe import Where
from landscape.surface.setting import Setting
from landscape.training import Run


def references(root: Path) -> tuple[str, str, str]:
    erm, fgmix = sorted(path.name for path in (root / "checkpoints").iterdir())
    return f"{erm}@0", f"{erm}@swa", f"{fgmix}@swa"


def open_(*references: object, **options: object) -> Setting:
    return Setting.through(*references, progress=False, **options)


def test_everything_comes_from_the_metadata(in_workplace: Path) -> None:
    setting = open_(*references(in_workplace))
    assert setting.names == ("initialisation", "ERM + SWA, step 4", "FGMix + SWA, step 4")
    assert setting.model == "small_cnn"
    assert setting.task.target == "sketch"
    assert setting.image_size == 32
    assert setting.seeds == (0,)
    assert [(path.label, path.kind) for path in setting.paths] == [
        ("ERM", "raw"),
        ("ERM", "swa"),
        ("FGMix", "raw"),
        ("FGMix", "swa"),
    ]
    assert [step for step, _ in setting.paths[0].points] == [0, 2, 4]
    # The policy's weights belong to the raw iterate.
    assert setting.policy is not None
    assert (setting.policy.kind, setting.policy.step) == ("raw", 4)
    assert setting.policy.path.name == "step-000004.safetensors"
    assert setting.notes == ()


def test_the_plan_marks_the_raw_ends_only(in_workplace: Path) -> None:
    plan = Plan.of(open_(*references(in_workplace)), where=Where(points=3), progress=False)
    assert [(end.trajectory.label, end.trajectory.kind) for end in plan.ends] == [("ERM", "raw"), ("FGMix", "raw")]
    assert plan.evaluations == 9 + 3 + 2 * 2
    # An SWA path ends on its anchor.
    for trajectory, anchor in ((plan.trajectories[1], 1), (plan.trajectories[3], 2)):
        assert (trajectory.x[-1], trajectory.y[-1]) == pytest.approx(plan.plane.anchors[anchor], abs=1e-9)
        assert trajectory.residual[-1] < 1e-6
    for path in plan.trajectories:
        assert all(plan.grid.contains(x, y) for x, y in zip(path.x, path.y, strict=True))


def test_the_digest_knows_every_input(in_workplace: Path) -> None:
    a, b, c = references(in_workplace)
    digests = {
        open_(a, b, c).digest(),
        open_(a, c, b).digest(),
        open_(a, b.replace("@swa", ""), c).digest(),
        open_(a, b, c, target="photo").digest(),
        open_(a, b, c, image_size=28).digest(),
    }
    assert len(digests) == 5
    assert open_(a, b, c).digest() in digests


def test_a_path_ends_at_its_checkpoint(in_workplace: Path) -> None:
    a, b, c = references(in_workplace)
    setting = open_(a, b.replace("@swa", "@2"), c)
    assert [step for step, _ in setting.paths[0].points] == [0, 2]


def test_two_runs_of_one_algorithm_are_told_apart(
    in_workplace: Path, tmp_path: Path, drifting_run, base_config
) -> None:
    other = drifting_run(tmp_path, base_config.replace(lr=1e-4), drift=3)
    a, b, _ = references(in_workplace)
    labels = {path.label for path in open_(a, b, other.path(4, "swa")).paths}
    assert len(labels) == 2
    assert all(label.startswith("ERM ") for label in labels)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": "photo"}, "disagree on target: 'sketch' and 'photo'"),
        ({"image_size": 28}, "disagree on image_size: 32 and 28"),
        ({"seed": 1}, "disagree on seed: 0 and 1 .so their validation splits differ"),
    ],
)
def test_checkpoints_of_different_tasks(in_workplace, tmp_path, drifting_run, base_config, changes, message) -> None:
    other = drifting_run(tmp_path, base_config.replace(**changes), steps=(0,), drift=3)
    a, b, _ = references(in_workplace)
    with pytest.raises(InputError, match=message):
        open_(a, b, other.path(0))
    flags = {name: getattr(base_config, name) for name in changes}
    assert open_(a, b, other.path(0), **flags).task.target == "sketch"


def test_checkpoints_of_different_networks(in_workplace: Path, tmp_path: Path) -> None:
    a, b, c = references(in_workplace)
    loaded = Checkpoint.load(Run.open(next((in_workplace / "checkpoints").iterdir())).find())
    other = replace(loaded, config=loaded.config.replace(model="resnet18")).save(tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="disagree on model: 'small_cnn' and 'resnet18'"):
        open_(a, b, other)
    narrow = {name: tensor[:2] if name == "classifier.weight" else tensor for name, tensor in loaded.model.items()}
    other = replace(loaded, model=narrow).save(tmp_path / "narrow.safetensors")
    setting = open_(a, b, other)
    with pytest.raises(InputError, match=r"classifier\.weight has shape \(2, \d+\), expected \(3, \d+\)"):
        Plan.of(setting, progress=False)
    assert c


def test_data_that_have_changed_since_training(in_workplace: Path, tmp_path: Path) -> None:
    a, b, c = (Setting.through(*references(in_workplace), progress=False).checkpoints[i] for i in range(3))
    changed = [replace(checkpoint, split_digest="other") for checkpoint in (a, b, c)]
    with pytest.raises(InputError, match=r"are not those that .* was trained on"):
        open_(*changed)
    setting = open_(*changed, data=str(in_workplace / "images"))
    assert any("differ from those of training" in note for note in setting.notes)
    changed = [replace(checkpoint, classes=("x", "y", "z")) for checkpoint in (a, b, c)]
    with pytest.raises(InputError, match="was trained on the classes x, y, z"):
        open_(*changed)


def test_a_seen_target_is_noted(in_workplace: Path) -> None:
    setting = open_(*references(in_workplace), target="photo")
    assert setting.task.target == "photo"
    assert any("may be a domain that it has seen" in note for note in setting.notes)


def bare(root: Path, tmp_path: Path, prefix: str = "") -> list[Path]:
    files = []
    for index, checkpoint in enumerate(open_(*references(root)).checkpoints):
        path = tmp_path / f"bare{index}.safetensors"
        save_file({prefix + name: tensor for name, tensor in checkpoint.model.items()}, path)
        files.append(path)
    return files


def test_bare_state_dicts_need_the_flags(in_workplace: Path, tmp_path: Path) -> None:
    files = bare(in_workplace, tmp_path)
    with pytest.raises(InputError, match=r"is a bare state dict.* give --model and --data and --target"):
        open_(*files)
    with pytest.raises(InputError, match="give --target"):
        open_(*files, network="small_cnn", data="images")
    with pytest.raises(InputError, match="is a bare state dict"):
        open_(references(in_workplace)[0], files[1], files[2])
    setting = open_(*files, network="small_cnn", data="images", target="sketch", image_size=32)
    plan = Plan.of(setting, where=Where(points=2), progress=False)
    assert setting.paths == ()
    assert plan.evaluations == 4 + 3
    assert sum("lies in no run's folder" in note for note in setting.notes) == 2


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod."])
def test_prefixes_are_stripped_with_a_note(in_workplace: Path, tmp_path: Path, prefix: str) -> None:
    files = bare(in_workplace, tmp_path, prefix)
    setting = open_(*files, network="small_cnn", data="images", target="sketch", image_size=32)
    Plan.of(setting, where=Where(points=2), progress=False)
    assert any("stripped the prefix" in note for note in setting.notes)


def test_a_stranger_never_chooses_what_is_imported(in_workplace: Path, tmp_path: Path, monkeypatch) -> None:
    checkpoints = open_(*references(in_workplace)).checkpoints
    (tmp_path / "evil_module.py").write_text("raise SystemExit('imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    for model in ("evil_module:net", "timm:hf-hub:somebody/net"):
        strange = [
            replace(checkpoint, config=checkpoint.config.replace(model=model)).save(tmp_path / f"{i}.safetensors")
            for i, checkpoint in enumerate(checkpoints)
        ]
        with pytest.raises(InputError, match=f"if you trust it, repeat it: --model {model}"):
            open_(*strange)
    assert "evil_module" not in sys.modules
    (tmp_path / "own_module.py").write_text(
        "from landscape.models import build_network\n"
        "def net(classes):\n    return build_network('small_cnn', num_classes=classes, weights='none')\n"
    )
    setting = open_(*strange, network="own_module:net")
    assert setting.model == "own_module:net"
    Plan.of(setting, where=Where(points=2), progress=False)


def test_a_pickled_file_is_refused(in_workplace: Path, tmp_path: Path) -> None:
    a, b, _ = references(in_workplace)
    torch.save({"weight": torch.zeros(1)}, tmp_path / "c.pt")
    with pytest.raises(InputError, match="is a pickled file"):
        open_(a, b, tmp_path / "c.pt")


def test_the_same_checkpoint_twice_and_a_checkpoint_between(in_workplace: Path, tmp_path: Path) -> None:
    a, b, _ = references(in_workplace)
    with pytest.raises(InputError, match="have identical weights"):
        Plan.of(open_(a, b, b), progress=False)
    first, second, _ = open_(a, b, b).checkpoints
    half = {name: torch.lerp(first.model[name], tensor, 0.5) if tensor.is_floating_point() else tensor
            for name, tensor in second.model.items()}  # fmt: skip
    between = replace(second, model=half).save(tmp_path / "half.safetensors")
    with pytest.raises(InputError, match=r"lie on one line .* degrees apart"):
        Plan.of(open_(a, b, between), progress=False)


def test_an_untrained_policy_is_noted(in_workplace: Path, tmp_path: Path, drifting_run, base_config: RunConfig) -> None:
    config = base_config.replace(algorithm="fgmix", mixup=replace(base_config.mixup, start=100))
    run = drifting_run(tmp_path, config, drift=3)
    a, b, _ = references(in_workplace)
    assert any("has not been trained yet" in note for note in open_(a, b, run.path(4, "swa")).notes)
