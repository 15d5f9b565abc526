"""The training loop, top to bottom, and the trunk that runs share.

from landscape import PRESETS, train
run = train(PRESETS["quick"].replace(algorithm="fgmix"))
"""

import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor
from tqdm.auto import tqdm

from landscape.algorithms import ERM, build_algorithm
from landscape.config import RunConfig
from landscape.data import Minibatches, Task, full_domain_name, normalise, open_task
from landscape.errors import InputError
from landscape.hardware import resolve_device, resolve_precision, step_timer, to_channels_last
from landscape.models import Network, build_network
from landscape.seeding import torch_seed
from landscape.training.averaging import WeightAverage
from landscape.training.recorder import Recorder
from landscape.training.run import Run
from landscape.training.state import load_state, save_state, saved_step


class TrainingDiverged(InputError):
    """The loss or the weights are not finite any more."""


def train(
    config: RunConfig,
    *,
    root: Path | str = "checkpoints",
    share_trunk: bool = True,
    task: Task | None = None,
    progress: bool = True,
) -> Run:
    """Train what `config` says, or go on where an earlier call stopped, and return the finished run.

    Steps before T0 are the same for every algorithm: they are trained once, as a trunk that runs branch
    from. A branched run's weights equal those of a run from scratch bit for bit.

    Args:
        config: the run; a finished one is returned at once.
        root: the folder of run folders.
        share_trunk: False trains every step in the run's own folder.
        task: images, split and target, if they are open already.
        progress: show a bar with an ETA.

    Raises:
        InputError: bad data, model or device; another process trains this run; the disk is full.
        TrainingDiverged: a loss was not finite.
        KeyboardInterrupt: interrupted; the state was saved.
    """
    run = _run_of(config, root, share_trunk)
    if run.is_done():
        return Run.open(run.folder)
    task = task or open_task(config, progress=progress)
    if (trunk := _missing_trunk(run)) is not None:
        # The trunk is a run of plain ERM that keeps its last state.
        as_erm = run.config.replace(algorithm="erm", steps=run.branch_step)
        _train(Run(trunk.folder, as_erm), task, progress=progress, is_trunk=True)
    _train(run, task, progress=progress)
    return Run.open(run.folder)


def plan(config: RunConfig, *, root: Path | str = "checkpoints", share_trunk: bool = True) -> str:
    """What :func:`train` would do, in a few lines."""
    run = _run_of(config, root, share_trunk)
    lines = [f"run:   {run.folder}"]
    if run.is_done():
        return f"{lines[0]}\nfinished: nothing to do"
    done = saved_step(run.resume_path)
    if (trunk := _missing_trunk(run)) is not None:
        known = max([saved_step(trunk.resume_path), *trunk.states()])
        lines.append(f"trunk: {trunk.folder}, updates {min(known, run.branch_step)} to {run.branch_step}")
    lines.append(f"to do: updates {max(done, run.branch_step)} to {run.config.steps}")
    lines.append(f"precision {run.config.precision} on {resolve_device(config.device)}")
    return "\n".join(lines)


def _run_of(config: RunConfig, root: Path | str, share_trunk: bool) -> Run:
    # S and sketch are one domain of PACS: one folder.
    names = {name: full_domain_name(config.data, name) for name in (config.target, *config.domains)}
    config = config.replace(target=names[config.target], domains=tuple(names[name] for name in config.domains))
    config = resolve_hardware(config)
    trunk = Run.at(root, config, is_trunk=True) if share_trunk and config.trunk_steps > 0 else None
    return Run.at(root, config, trunk)


def _missing_trunk(run: Run) -> Run | None:
    """The trunk that has to be trained before the run can branch from it."""
    if run.trunk is None or run.resume_path.is_file() or run.branch_step in run.trunk.states():
        return None
    return run.trunk


def _train(run: Run, task: Task, *, progress: bool, is_trunk: bool = False) -> None:
    config = run.config
    network = initial_network(config, len(task.images.classes))
    device = next(network.parameters()).device
    network.check(normalise(task.images.pixels[:2], network.mean, network.std).to(device))
    with torch_seed(config.seed, "policy"):
        algorithm = build_algorithm(network, config)
    average = WeightAverage(network, start=config.swa_start)
    with _exclusive(run), _stop_on_signal() as stop:
        recorder = Recorder(run, task, algorithm, average)
        done = _restore(run, algorithm, average, is_trunk)
        run.journal.rewind(lambda row: row["step"] <= done)
        run.write_config(**_about(task))
        if done == 0:
            average.update(network, 0)
            recorder.record(0)
        batches = Minibatches(
            task,
            batch_size=config.batch_size,
            seed=config.seed,
            mean=network.mean,
            std=network.std,
            augmentation=config.augmentation,
            sampler=config.sampler,
            classes_per_batch=config.classes_per_batch,
            device=str(algorithm.device),
        )
        network.train()
        bar = tqdm(
            total=config.steps,
            initial=done,
            desc="trunk" if is_trunk else config.algorithm,
            unit="step",
            disable=not progress,
        )
        with bar:
            for step, batch in batches.prefetch(done + 1, config.steps + 1):
                began = time.perf_counter()
                with torch_seed(config.seed, "dropout", step):
                    metrics = _to_floats(algorithm.update(batch, step))  # the step's one synchronisation point
                _check_finite(metrics["loss"], step, run)
                average.update(network, step)
                run.journal.append({"step": step, "event": "step", **metrics, "seconds": time.perf_counter() - began})
                bar.set_postfix_str(f"loss {metrics['loss']:.3f}", refresh=False)
                bar.update()
                last = step == config.steps
                if step % config.record_every == 0 or (last and not is_trunk):
                    _check_weights(network, step, run)
                    recorder.record(step)
                if not last and (step % config.save_every == 0 or stop.requested):
                    _check_weights(network, step, run)
                    save_state(run.resume_path, step, algorithm, average)
                if stop.requested and not last:
                    raise _interrupted(step, config.steps)
        if done == config.steps and not is_trunk:  # nothing left to do after the trunk
            recorder.record(done)
        if is_trunk:
            save_state(run.state_path(config.steps), config.steps, algorithm, average)
        run.resume_path.unlink(missing_ok=True)
        if is_trunk and stop.requested:
            raise _interrupted(config.steps, config.steps)


def initial_network(config: RunConfig, num_classes: int) -> Network:
    """The network before its first step, on its device; the same for every algorithm with this trial seed."""
    with torch_seed(config.seed, "model"):
        network = build_network(
            config.model,
            num_classes=num_classes,
            weights=config.weights,
            head=config.head,
            dropout=config.dropout,
            batch_norm=config.batch_norm,
        )
    to_channels_last(network, resolve_device(config.device))
    return network


def resolve_hardware(config: RunConfig) -> RunConfig:
    """Replace ``precision="auto"`` by what this hardware is faster in; it is part of a run's identity."""
    device = resolve_device(config.device)
    trial = step_timer(lambda: _architecture(config), config.image_size)
    choice = resolve_precision(config.precision, device, trial, key=f"train {config.model} {config.image_size}")
    return config.replace(precision=choice.precision)


def _architecture(config: RunConfig) -> Network:
    """The network's shapes, for timing: weights and classes do not matter."""
    own = ":" in config.model and not config.model.startswith("timm:")
    return build_network(config.model, num_classes=10, weights=config.weights if own else "none")


def _restore(run: Run, algorithm: ERM, average: WeightAverage, is_trunk: bool) -> int:
    """Go on from the run's own state, else from the trunk's; returns the number of updates done."""
    if 0 < saved_step(run.resume_path) < run.config.steps:
        return load_state(run.resume_path, algorithm, average)
    if run.trunk:
        return load_state(run.trunk.state_path(run.branch_step), algorithm, average)
    if is_trunk and (earlier := [step for step in run.states() if step < run.config.steps]):
        return load_state(run.state_path(earlier[-1]), algorithm, average)
    return 0


def _interrupted(step: int, steps: int) -> KeyboardInterrupt:
    return KeyboardInterrupt(f"stopped after step {step} of {steps}; run the same command again to continue.")


def _about(task: Task) -> dict[str, object]:
    return {
        "task": {
            "data": task.images.name,
            "data_digest": task.images.digest,
            "domains": list(task.images.domains),
            "classes": list(task.images.classes),
            "target": task.target,
            "split_rule": task.split.rule,
            "split_digest": task.split.digest,
            "images": {
                domain: {part: len(task.rows(domain, part)) for part in ("in", "out")} for domain in task.images.domains
            },
            "unreadable": list(task.images.unreadable),
        }
    }


def _to_floats(metrics: dict[str, Tensor]) -> dict[str, float]:
    values = torch.stack([value.detach().double().reshape(()) for value in metrics.values()])
    return dict(zip(metrics, values.tolist(), strict=True))


def _check_finite(loss: float, step: int, run: Run) -> None:
    if not math.isfinite(loss):
        raise _diverged(f"the loss became {loss} at step {step}", run)


def _check_weights(network: torch.nn.Module, step: int, run: Run) -> None:
    if not all(bool(torch.isfinite(p).all()) for p in network.parameters()):
        raise _diverged(f"weights became infinite or not a number at step {step}", run)


def _diverged(what: str, run: Run) -> TrainingDiverged:
    recorded = run.checkpoints()
    last = f"the last good checkpoint is {recorded[-1][1]}" if recorded else "no checkpoint was recorded before it"
    hint = "Try a smaller --lr"
    if run.config.uses_mixup:
        hint += ", a smaller --mixup.scale-init or a larger --mixup.eta (less extrapolation)"
    if run.config.precision == "bf16":
        hint += ", or --precision fp32"
    return TrainingDiverged(f"{what}; {last}. {hint}.")


class _Stop:
    requested = False


@contextmanager
def _stop_on_signal() -> Iterator[_Stop]:
    """Turn the first Ctrl-C or SIGTERM into a request to stop after the running step; the second stops at once."""
    stop = _Stop()
    previous = {}

    def handle(number: int, frame: object) -> None:
        if stop.requested:
            raise KeyboardInterrupt
        stop.requested = True

    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            previous[number] = signal.signal(number, handle)
        except ValueError:  # not the main thread: the caller's business
            break
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def _exclusive(run: Run) -> Iterator[None]:
    """One process a run: a lock that the system releases however the process ends."""
    run.folder.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl
    except ImportError:  # not a POSIX system
        yield
        return
    with open(run.folder / ".lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(
                f"another process is training {run.folder}; wait for it, or give another --root."
            ) from error
        yield
