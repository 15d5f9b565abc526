"""Runs end where they should, whichever way they got there: bit for bit on the CPU."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from runs import interrupt_at, same_run
from safetensors.torch import load_file

from landscape.algorithms import Composed
from landscape.algorithms.loops.fgmix import FGMix
from landscape.config import RunConfig
from landscape.data import normalise
from landscape.errors import InputError
from landscape.storage import Journal
from landscape.training import Run, TrainingDiverged, engine, train
from landscape.training.guard import exclusive


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("step", [2, 4, 7])
def test_an_interrupted_run_continues_bit_for_bit(tiny: RunConfig, tmp_path: Path, step: int, kind: int) -> None:
    whole = train(tiny, root=tmp_path / "whole", progress=False)
    with pytest.MonkeyPatch.context() as patch:
        interrupt_at(patch, step, kind)
        with pytest.raises(KeyboardInterrupt, match=f"stopped after step {step}"):
            train(tiny, root=tmp_path / "killed", progress=False)
    same_run(whole, train(tiny, root=tmp_path / "killed", progress=False))


def test_a_crash_loses_only_the_steps_since_the_last_save(
    tiny: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(tiny, root=tmp_path / "whole", share_trunk=False, progress=False)
    done = []
    original = FGMix.update

    def update(self, batch, step):  # type: ignore[no-untyped-def]
        if step == 8 and len(done) < 8:
            raise RuntimeError("power cut")
        done.append(step)
        return original(self, batch, step)

    monkeypatch.setattr(FGMix, "update", update)
    with pytest.raises(RuntimeError, match="power cut"):
        train(tiny, root=tmp_path / "killed", share_trunk=False, progress=False)
    same_run(whole, train(tiny, root=tmp_path / "killed", share_trunk=False, progress=False))
    assert done == [1, 2, 3, 4, 5, 6, 7, 7, 8]  # saved after step 6


def test_kill_nine_of_a_real_process(tiny: RunConfig, tmp_path: Path) -> None:
    config = tiny.replace(steps=60, record_every=10, save_every=4, algorithm="a")
    command = [sys.executable, "-m", "landscape.train", "--root", str(tmp_path / "killed")]
    for flag in (
        "algorithm",
        "data",
        "target",
        "model",
        "weights",
        "image_size",
        "augmentation",
        "batch_size",
        "steps",
    ):
        command += [f"--{flag.replace('_', '-')}", str(getattr(config, flag))]
    for flag in ("lr", "dropout", "swa_start", "record_every", "save_every", "device", "precision"):
        command += [f"--{flag.replace('_', '-')}", str(getattr(config, flag))]
    for flag in ("start", "codes", "directions", "hidden"):
        command += [f"--mixup.{flag}", str(getattr(config.mixup, flag))]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    run = Run.at(tmp_path / "killed", config)
    deadline = time.monotonic() + 60
    while len(run.journal.read()) < 12 and time.monotonic() < deadline:
        time.sleep(0.005)
    process.kill()
    process.wait()
    assert not run.is_done()
    whole = train(config, root=tmp_path / "whole", progress=False)
    same_run(whole, train(config, root=tmp_path / "killed", progress=False))


@pytest.mark.parametrize("algorithm", ["erm", "a", "d", "fgmix"])
def test_branching_from_a_trunk_equals_training_from_scratch(tiny: RunConfig, tmp_path: Path, algorithm: str) -> None:
    config = tiny.replace(algorithm=algorithm)
    branched = train(config, root=tmp_path / "branched", progress=False)
    scratch = train(config, root=tmp_path / "scratch", share_trunk=False, progress=False)
    assert branched.trunk is not None
    assert scratch.trunk is None
    for kind in ("raw", "swa"):
        ours, theirs = dict(branched.checkpoints(kind)), dict(scratch.checkpoints(kind))
        assert ours.keys() == theirs.keys()
        for step in ours:
            a, b = load_file(ours[step]), load_file(theirs[step])
            assert all(torch.equal(a[name], b[name]) for name in a), (kind, step)
    numbers = [[row["loss"] for row in run.metrics() if row["event"] == "step"] for run in (branched, scratch)]
    assert numbers[0] == numbers[1]


def test_branching_keeps_adam_right_under_channels_last(image_folder: Path, tiny: RunConfig, tmp_path: Path) -> None:
    # A real convolutional network: restored moments must follow their weights' memory layout.
    config = tiny.replace(model="efficientnet_lite0", image_size=32, steps=7, lr=1e-3)
    branched = train(config, root=tmp_path / "branched", progress=False)
    scratch = train(config, root=tmp_path / "scratch", share_trunk=False, progress=False)
    a, b = load_file(branched.find()), load_file(scratch.find())
    assert all(torch.equal(a[name], b[name]) for name in b)


def test_runs_share_one_trunk_and_refer_to_its_checkpoints(tiny: RunConfig, tmp_path: Path) -> None:
    runs = [train(tiny.replace(algorithm=name), root=tmp_path, progress=False) for name in ("erm", "c", "fgmix")]
    folders = sorted(path.name for path in tmp_path.iterdir())
    assert len(folders) == 4
    assert sum("-trunk-" in name for name in folders) == 1
    assert {run.checkpoints()[0] for run in runs} == {runs[0].checkpoints()[0]}
    assert [step for step, _ in runs[2].checkpoints()] == [0, 2, 4, 6, 8]
    losses = [[row["loss"] for row in run.metrics() if row["event"] == "step"] for run in runs]
    assert losses[0][:4] == losses[1][:4] == losses[2][:4]
    assert losses[0][4:] != losses[2][4:]


def test_the_average_gets_batch_norm_statistics_of_its_own(tiny: RunConfig, tmp_path: Path) -> None:
    run = train(tiny, root=tmp_path, progress=False)
    swa = run.load(kind="swa").model
    network = engine.initial_network(run.config, 3)
    run.load(kind="swa").load_into(network)
    task = engine.open_task(run.config, progress=False)
    images = normalise(task.images.pixels[task.source_rows("in")], network.mean, network.std)
    name = next(name for name, _ in network.named_buffers() if name.endswith("running_mean"))
    first = next(module for module in network.modules() if isinstance(module, torch.nn.Conv2d))
    with torch.no_grad():
        expected = first(images).mean((0, 2, 3))
    torch.testing.assert_close(swa[name], expected, rtol=1e-4, atol=1e-5)


def test_algorithms_see_the_same_batches(tiny: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, list[float]] = {}
    for algorithm in (Composed, FGMix):
        original = algorithm.update

        def update(self, batch, step, original=original):  # type: ignore[no-untyped-def]
            seen.setdefault(self.config.algorithm, []).append((step, batch.images.double().sum().item()))
            return original(self, batch, step)

        monkeypatch.setattr(algorithm, "update", update)
    for name in ("erm", "a", "fgmix"):
        train(tiny.replace(algorithm=name), root=tmp_path / name, share_trunk=False, progress=False)
    # FGMix's update calls ERM's before T0, so steps may be seen twice.
    assert set(seen["erm"]) == set(seen["a"]) == set(seen["fgmix"])
    assert len(set(seen["erm"])) == 8


def test_swa_is_the_mean_of_the_iterates(tiny: RunConfig, tmp_path: Path) -> None:
    run = train(tiny.replace(record_every=1), root=tmp_path, progress=False)
    iterates = [load_file(path) for step, path in run.checkpoints() if step >= 2]  # t0 - 1 = 2
    for step, path in run.checkpoints("swa"):
        swa = load_file(path)
        for name in swa:
            if name.startswith("model/") and swa[name].is_floating_point() and "running" not in name:
                mean = torch.stack([w[name].double() for w in iterates[: step - 1]]).mean(0)
                torch.testing.assert_close(swa[name].double(), mean, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("share_trunk", [True, False])
def test_a_loss_that_is_not_finite_stops_with_the_step_and_a_hint(
    tiny: RunConfig, tmp_path: Path, share_trunk: bool
) -> None:
    config = tiny.replace(lr=1e20)
    with pytest.raises(
        TrainingDiverged, match=r"the loss became .* at step \d+.*last good checkpoint is .*step-000000.*--lr"
    ):
        train(config, root=tmp_path, share_trunk=share_trunk, progress=False)
    files = list(tmp_path.rglob("step-*.safetensors"))
    assert files
    assert all(torch.isfinite(t).all() for path in files for t in load_file(path).values())


def test_a_full_disk_while_saving_keeps_what_was_saved(
    tiny: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    from landscape import checkpoint

    whole = train(tiny, root=tmp_path / "whole", progress=False)
    real, writes = checkpoint.save_file, []

    def sometimes_full(tensors, path, metadata):  # type: ignore[no-untyped-def]
        writes.append(path)
        if len(writes) == 8:
            Path(path).write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(tensors, path, metadata)

    monkeypatch.setattr(checkpoint, "save_file", sometimes_full)
    with pytest.raises(InputError, match="no space left"):
        train(tiny, root=tmp_path / "full", progress=False)
    same_run(whole, train(tiny, root=tmp_path / "full", progress=False))


def test_a_torn_journal_line_is_dropped_on_resume(tiny: RunConfig, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        interrupt_at(patch, 7)
        with pytest.raises(KeyboardInterrupt):
            train(tiny, root=tmp_path / "torn", progress=False)
    journal = Run.at(tmp_path / "torn", tiny).journal.path
    with open(journal, "ab") as file:
        file.write(b'{"step":8,"lo')
    run = train(tiny, root=tmp_path / "torn", progress=False)
    same_run(train(tiny, root=tmp_path / "whole", progress=False), run)
    assert journal.read_bytes().count(b"\n") == len(Journal(journal).read())


def test_two_processes_cannot_train_the_same_run(tiny: RunConfig, tmp_path: Path) -> None:
    run = Run.at(tmp_path, tiny)
    with exclusive(run), pytest.raises(InputError, match="another process"), exclusive(run):
        pass


def test_bf16_trains_and_is_another_run(tiny: RunConfig, tmp_path: Path) -> None:
    run = train(tiny.replace(precision="bf16", steps=6), root=tmp_path, progress=False)
    assert run.folder != Run.at(tmp_path, tiny).folder
    assert all(t.dtype != torch.bfloat16 for t in run.load().model.values())


def test_every_step_is_logged(tiny: RunConfig, tmp_path: Path) -> None:
    rows = [row for row in train(tiny, root=tmp_path, progress=False).metrics() if row["event"] == "step"]
    assert [row["step"] for row in rows] == list(range(1, 9))
    logged = {"extrapolated", "weight_entropy", "lambda", "L_flat", "L_adv", "cosine", "discriminator_source"}
    logged |= {"grad_flat_phi", "grad_adv_phi", "grad_flat_scale", "grad_adv_scale"}
    assert all(logged <= row.keys() for row in rows[4:])
    assert not any(logged & row.keys() for row in rows[:4])


def test_training_leaves_the_global_generator_alone(tiny: RunConfig, tmp_path: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(tiny, root=tmp_path, progress=False)
    assert torch.equal(torch.rand(3), expected)


def test_a_signal_outside_training_is_not_ours(tiny: RunConfig, tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    train(tiny, root=tmp_path, progress=False)
    assert signal.getsignal(signal.SIGTERM) is before
