"""The training loop, top to bottom, and the trunk that runs share.

from landscape import PRESETS, train
run = train(PRESETS["quick"].replace(algorithm="fgmix"))
"""

import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from landscape.algorithms import Algorithm, Facts, build_algorithm
from landscape.algorithms.method import StoredOptions, own_method
from landscape.config import RunConfig
from landscape.data import DomainImages, Minibatches, Task, augmentation_of, normalise, open_task, spelled_out
from landscape.data.images import list_images
from landscape.data.listing import Listing
from landscape.data.task import domains_of_run
from landscape.errors import InputError
from landscape.fields import known
from landscape.hardware import resolve_device, resolve_precision, step_timer, to_channels_last
from landscape.models import Network, build_network
from landscape.seeding import torch_seed
from landscape.training.averaging import WeightAverage
from landscape.training.checks import (
    check_finite,
    check_method,
    check_same_data,
    check_steps,
    check_task,
    check_weights,
    checked_metrics,
)
from landscape.training.guard import exclusive, stop_on_signal
from landscape.training.recorder import Recorder
from landscape.training.run import Run
from landscape.training.state import load_state, save_state, saved_step


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
    images = task.images if task else list_images(config.data, data_dir=config.data_dir, domains=config.domains)
    if task:
        check_task(config, task)
    if not (run := locate(config, root=root, share_trunk=share_trunk, images=images)).is_done():
        check_run(run.config, images, ~task.split.held_out if task else True)
    task = task or open_task(config, progress=progress)
    for existing in (run, run.trunk):
        check_same_data(existing, task)
    if run.is_done():
        return replace(Run.open(run.folder), config=run.config)
    check_steps(run)
    for source, classes in task.missing_classes.items():
        print(f"note: {source} has no training image of {', '.join(classes)}", file=sys.stderr)
    if (trunk := _missing_trunk(run)) is not None:
        # The trunk is a run of plain ERM that keeps its last state.
        as_erm = run.config.replace(algorithm="erm", steps=run.branch_step)
        _train(Run(trunk.folder, as_erm), task, progress=progress, is_trunk=True)
    _train(run, task, progress=progress)
    return replace(Run.open(run.folder), config=run.config)


def plan(config: RunConfig, *, root: Path | str = "checkpoints", share_trunk: bool = True) -> str:
    """What :func:`train` would do, in a few lines.

    Raises:
        InputError: what :func:`train` would refuse before its first step, as far as that shows without decoding images.
    """
    listing = list_images(config.data, data_dir=config.data_dir, domains=config.domains)
    run = locate(config, root=root, share_trunk=share_trunk, images=listing)
    config = run.config
    sources, targets = domains_of_run(config, listing)
    lines = [
        f"data:  {listing.name}, {len(listing.classes)} classes; {', '.join(sources)} to train on, "
        f"{', '.join(targets)} unseen",
        f"run:   {run.folder}",
    ]
    if run.is_done():
        return "\n".join([*lines, "finished: nothing to do"])
    check_run(config, listing)
    check_steps(run)
    domains = len(sources) * config.views_per_image
    views = f", {config.views_per_image} views of each source" if config.views_per_image > 1 else ""
    lines.append(f"step:  {domains} x {config.batch_size} images{views}")
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
    config = with_own_options(spelled_out(config.replace(data=data), images))
    config = resolve_hardware(config)
    trunk = Run.at(root, config, is_trunk=True) if share_trunk and config.trunk_steps > 0 else None
    run = Run.at(root, config, trunk)
    if run.resume_path.is_file():  # an interrupted run keeps the beginning that it has
        stored = Run.open(run.folder)
        run = replace(run, trunk=stored.trunk, branch_step=stored.branch_step)
    return run


def check_run(config: RunConfig, images: DomainImages | Listing, trained: np.ndarray | bool = True) -> None:
    """What a method needs of domains, classes and network: seen before an image is decoded or a step is done.

    Args:
        config: the run.
        images: all images; a listing will do.
        trained: (N,) bool: those to train on, as far as that is known.

    Raises:
        InputError: something is lacking.
    """
    config = with_own_options(spelled_out(config, images))
    sources, _ = domains_of_run(config, images)
    rows = {source: (images.domain == images.domains.index(source)) & trained for source in sources}
    check_method(config, {source: set(images.labels[chosen].tolist()) for source, chosen in rows.items()})
    counts = tuple(int(chosen.sum()) for chosen in rows.values())
    facts = Facts(sources, images.classes, counts, config.views_per_image)
    with torch_seed(config.seed, "policy"):
        build_algorithm(architecture(config, len(images.classes)), config, facts)


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
        algorithm = build_algorithm(network, config, Facts.of(task, config))
    average = WeightAverage(network, start=config.swa_start)
    with exclusive(run), stop_on_signal() as stop:
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
        name = "trunk" if is_trunk else config.method.label
        with tqdm(total=config.steps, initial=done, desc=name, unit="step", disable=not progress) as bar:
            for step, batch in batches.prefetch(done + 1, config.steps + 1):
                began = time.perf_counter()
                with torch_seed(config.seed, "dropout", step):
                    metrics = _to_floats(
                        checked_metrics(algorithm.update(batch, step), config)
                    )  # the step's one synchronisation point
                check_finite(metrics["loss"], step, run)
                average.update(network, step)
                bar.set_postfix_str(f"loss {metrics['loss']:.3f}", refresh=False)
                bar.update()
                last = step == config.steps
                if recorder:
                    seconds = time.perf_counter() - began
                    run.journal.append({"step": step, "event": "step", **metrics, "seconds": seconds})
                    if step % config.record_every == 0 or (last and not is_trunk):
                        check_weights(network, step, run)
                        recorder.record(step)
                if not last and (step % config.save_every == 0 or stop.requested):
                    check_weights(network, step, run)
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
        augmentation=augmentation_of(config),
        views=config.views_per_image,
        sampler=config.sampler,
        classes_per_batch=config.classes_per_batch,
        device=str(device),
    )


def resolve_hardware(config: RunConfig) -> RunConfig:
    """Replace ``precision="auto"`` by what this hardware is faster in; it is part of a run's identity."""
    device = resolve_device(config.device)
    timer = step_timer(lambda: architecture(config), config.image_size)
    choice = resolve_precision(config.precision, device, timer, key=f"train {config.model} {config.image_size}")
    return config.replace(precision=choice.precision)


def architecture(config: RunConfig, num_classes: int = 10) -> Network:
    """The network's shapes, where its weights do not matter."""
    own = ":" in config.model and not config.model.startswith("timm:")
    with torch_seed(0, "model"):  # the global generator is left as it was
        return build_network(
            config.model,
            num_classes=num_classes,
            weights=config.weights if own else "none",
            head=config.head,
            batch_norm=config.batch_norm,
        )


def with_own_options(config: RunConfig) -> RunConfig:
    """For a method of the user's own: its class is imported, and what was given or stored becomes its settings."""
    if config.method.options is not StoredOptions:
        return config
    options = own_method(config.algorithm, load=True).options
    if isinstance(config.options, StoredOptions):
        return config.replace(options=options(**known(options, dict(config.options.values))))
    if not isinstance(config.options, options):
        raise InputError(
            f"the settings of {config.algorithm} are its Options, but {type(config.options).__name__} were given."
        )
    return config


def _restore(run: Run, algorithm: Algorithm, average: WeightAverage, is_trunk: bool) -> int:
    """Go on from the run's own state, else from the trunk's; returns the number of updates done."""
    saved = [run.resume_path] if not is_trunk else [run.resume_path, *run.folder.glob("state-*.safetensors")]
    known = {saved_step(path): path for path in saved}
    usable = [step for step in known if 0 < step < run.config.steps]
    if usable:
        return load_state(known[max(usable)], algorithm, average)
    if run.trunk:
        return load_state(run.trunk.state_path(run.branch_step), algorithm, average, partial=True)
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
            "target": task.targets[0],
            **({"sources": list(task.sources), "targets": list(task.targets)} if not task.leaves_one_out else {}),
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
