"""The training loop, top to bottom, and the trunk that runs share.

from landscape import PRESETS, train
run = train(PRESETS["quick"].replace(algorithm="fgmix"))
"""

import json
import math
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import torch
from torch import Tensor
from tqdm.auto import tqdm

from landscape.algorithms import ERM, build_algorithm
from landscape.config import DISPLAY_NAMES, RunConfig
from landscape.data import DomainImages, Minibatches, Task, normalise, open_task
from landscape.data.images import list_images
from landscape.data.listing import Listing, domain_name
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
    task = task or open_task(config, progress=progress)
    check_mixable(config, task)
    run = locate(config, root=root, share_trunk=share_trunk, images=task.images)
    for existing in (run, run.trunk):
        _check_same_data(existing, task)
    if run.is_done():
        return replace(Run.open(run.folder), config=run.config)
    _check_steps(run)
    for source, classes in task.missing_classes.items():
        print(f"note: {source} has no training image of {', '.join(classes)}", file=sys.stderr)
    if (trunk := _missing_trunk(run)) is not None:
        # The trunk is a run of plain ERM that keeps its last state.
        as_erm = run.config.replace(algorithm="erm", steps=run.branch_step)
        _train(Run(trunk.folder, as_erm), task, progress=progress, is_trunk=True)
    _train(run, task, progress=progress)
    return replace(Run.open(run.folder), config=run.config)


def plan(config: RunConfig, *, root: Path | str = "checkpoints", share_trunk: bool = True) -> str:
    """What :func:`train` would do, in a few lines."""
    run = locate(config, root=root, share_trunk=share_trunk)
    lines = [f"run:   {run.folder}"]
    if run.is_done():
        return f"{lines[0]}\nfinished: nothing to do"
    _check_steps(run)
    done = saved_step(run.resume_path)
    if (trunk := _missing_trunk(run)) is not None:
        known = [step for step in (saved_step(trunk.resume_path), *trunk.states()) if step < run.branch_step]
        lines.append(f"trunk: {trunk.folder}, updates {max(known, default=0) + 1} to {run.branch_step}")
    if max(done, run.branch_step) < run.config.steps:
        lines.append(f"to do: updates {max(done, run.branch_step) + 1} to {run.config.steps}")
    lines.append(f"precision {run.config.precision} on {resolve_device(config.device)}")
    return "\n".join(lines)


def locate(
    config: RunConfig,
    *,
    root: Path | str = "checkpoints",
    share_trunk: bool = True,
    images: DomainImages | Listing | None = None,
) -> Run:
    """The run that a configuration means, whichever way its data and domains are spelled; it need not exist yet.

    Args:
        config: the run.
        root: the folder of run folders.
        share_trunk: whether a new run branches from a shared trunk.
        images: its images, if they are listed already.
    """
    images = images or list_images(config.data, data_dir=config.data_dir, domains=config.domains)
    data = config.data.lower() if config.data.lower() == images.name.lower() else str(Path(config.data))
    names = {
        name: domain_name(name, images.domains, images.aliases, kind="domain")
        for name in (config.target, *config.domains)
    }
    domains = tuple(names[name] for name in config.domains)
    config = resolve_hardware(config.replace(data=data, target=names[config.target], domains=domains))
    trunk = Run.at(root, config, is_trunk=True) if share_trunk and config.trunk_steps > 0 else None
    run = Run.at(root, config, trunk)
    if run.resume_path.is_file():  # an interrupted run keeps the beginning that it has
        stored = Run.open(run.folder)
        run = replace(run, trunk=stored.trunk, branch_step=stored.branch_step)
    return run


def check_mixable(config: RunConfig, task: Task) -> None:
    """Whether there is anything to mix.

    Raises:
        InputError: one source only, fewer sources than a code is mixed from, or no class that two sources share.
    """
    if not config.uses_mixup:
        return
    name, sources = DISPLAY_NAMES[config.algorithm], task.sources
    if len(sources) < 2:
        raise InputError(f"{name} mixes images of different sources, but {sources[0]} is the only one; try erm.")
    if config.mixup.domains_per_mixup > len(sources):
        raise InputError(
            f"--mixup.domains-per-mixup is {config.mixup.domains_per_mixup}, but there are {len(sources)} sources."
        )
    seen = [set(task.images.labels[task.rows(source, "in")].tolist()) for source in sources]
    if not any(first & second for first, second in combinations(seen, 2)):
        raise InputError(f"{name} mixes images of one class from different sources, but no two sources share a class.")


def _check_same_data(run: Run | None, task: Task) -> None:
    """Images that changed since a run began would make it a mixture of two."""
    if run is None or not (run.folder / "config.json").is_file():
        return
    stored = json.loads((run.folder / "config.json").read_text())["task"]["split_digest"]
    if stored != task.split.digest:
        raise InputError(
            f"the images of {task.images.name} or their split have changed since {run.folder} was trained; "
            "restore them, give another --root, or delete that folder."
        )


def _check_steps(run: Run) -> None:
    """A run that is further than what is asked for is not cut back."""
    further = max([saved_step(run.resume_path), *(step for step, _ in run.recorded("raw"))])
    if further > run.config.steps:
        steps = ", ".join(str(step) for step, _ in run.recorded("raw"))
        raise InputError(
            f"{run.folder} is {further} steps long already and has no checkpoint at step {run.config.steps}; "
            f"ask for a step that was recorded ({steps}), or for more than {further}."
        )


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
        if config.steps in run.states() if is_trunk else run.is_done():
            return  # another process was faster
        # A trunk that is further already is gone through again for the state that it has not kept.
        replay = is_trunk and max([saved_step(run.resume_path), *run.states()], default=0) > config.steps
        recorder = None if replay else Recorder(run, task, algorithm, average)
        done = _restore(run, algorithm, average, is_trunk)
        save_path = run.state_path(config.steps).with_suffix(".part.safetensors") if replay else run.resume_path
        if recorder:
            run.journal.rewind(lambda row: row["step"] <= done)
            run.write_config(**_about(task))
        if done == 0:
            average.update(network, 0)
            if recorder:
                recorder.record(0)
        batches = minibatches(task, config, network, algorithm.device)
        network.train()
        name = "trunk" if is_trunk else DISPLAY_NAMES[config.algorithm]
        with tqdm(total=config.steps, initial=done, desc=name, unit="step", disable=not progress) as bar:
            for step, batch in batches.prefetch(done + 1, config.steps + 1):
                began = time.perf_counter()
                with torch_seed(config.seed, "dropout", step):
                    metrics = _to_floats(algorithm.update(batch, step))  # the step's one synchronisation point
                _check_finite(metrics["loss"], step, run)
                average.update(network, step)
                bar.set_postfix_str(f"loss {metrics['loss']:.3f}", refresh=False)
                bar.update()
                last = step == config.steps
                if recorder:
                    seconds = time.perf_counter() - began
                    run.journal.append({"step": step, "event": "step", **metrics, "seconds": seconds})
                    if step % config.record_every == 0 or (last and not is_trunk):
                        _check_weights(network, step, run)
                        recorder.record(step)
                if not last and (step % config.save_every == 0 or stop.requested):
                    _check_weights(network, step, run)
                    save_state(save_path, step, algorithm, average)
                if stop.requested and not last:
                    raise _interrupted(step, config.steps)
        if is_trunk:
            save_state(run.state_path(config.steps), config.steps, algorithm, average)
            save_path.unlink(missing_ok=True)
            if stop.requested:
                raise _interrupted(config.steps, config.steps)
            return
        if done == config.steps and recorder:  # nothing was left to do after the trunk
            recorder.record(done)
        # Kept, so that the run can be made longer.
        save_state(run.resume_path, config.steps, algorithm, average)


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


def minibatches(task: Task, config: RunConfig, network: Network, device: torch.device) -> Minibatches:
    """The minibatches of a run."""
    return Minibatches(
        task,
        batch_size=config.batch_size,
        seed=config.seed,
        mean=network.mean,
        std=network.std,
        augmentation=config.augmentation,
        sampler=config.sampler,
        classes_per_batch=config.classes_per_batch,
        device=str(device),
    )


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
    saved = [run.resume_path] if not is_trunk else [run.resume_path, *run.folder.glob("state-*.safetensors")]
    known = {saved_step(path): path for path in saved}
    usable = [step for step in known if 0 < step < run.config.steps]
    if usable:
        return load_state(known[max(usable)], algorithm, average)
    if run.trunk:
        return load_state(run.trunk.state_path(run.branch_step), algorithm, average)
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
        except BlockingIOError as error:
            raise InputError(
                f"another process is training {run.folder}; wait for it, or give another --root."
            ) from error
        yield
