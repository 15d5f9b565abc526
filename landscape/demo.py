"""What ``make demo`` runs: real images to ERM and FGMix to their loss surface, in minutes on two CPU cores.

Trains both from ImageNet weights on SixStyles with one domain left out, from a shared trunk; draws the loss
surface through initialisation, ERM + SWA and FGMix + SWA with all optimisation paths; prints the accuracies.
Every part is kept: a second call finds everything done, an interrupted one goes on where it stopped.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from landscape import command
from landscape.algorithms.catalogue import label_of
from landscape.config import PRESETS
from landscape.storage import atomic_write, provenance

if TYPE_CHECKING:
    from landscape.data import Task
    from landscape.training import Run
    from landscape.training.run import Kind

CAVEAT = "one seed; target and schedule were chosen after target results had been seen"


@dataclass(frozen=True)
class DemoOptions:
    """Flags of the command."""

    target: str = "sketch"
    """The domain of SixStyles that training never sees: photo, clipart, cartoon or sketch."""
    seed: int = 0
    """Trial seed."""
    points: int = 7
    """Grid points along each axis of the surface."""
    root: Path = Path("checkpoints")
    """Folder of the run folders."""
    out: Path = Path("figures/demo")
    """Folder of the figures and tables."""


def main(args: list[str] | None = None) -> None:
    """Train, measure, draw, print."""
    options = command.parse(DemoOptions, prog="python -m landscape.demo", description=__doc__ or "", args=args)
    from landscape.data import open_task
    from landscape.surface.draw import draw
    from landscape.surface.recipe import Where
    from landscape.surface.report import report
    from landscape.surface.setting import Setting
    from landscape.training import train

    config = PRESETS["quick"].replace(target=options.target, seed=options.seed)
    print(
        f"demo: ERM and FGMix on SixStyles, target {config.target}, {config.steps} steps of 3 x {config.batch_size} "
        f"images of {config.image_size} px, from one trunk of {config.trunk_steps} steps; about 4 minutes on 2 cores."
    )
    task = open_task(config)
    runs = {name: train(config.replace(algorithm=name), root=options.root, task=task) for name in ("erm", "fgmix")}
    stem = f"sixstyles-{config.target}"
    if config.seed:
        stem += f"-s{config.seed}"

    anchors = (runs["erm"].find(0), runs["erm"].find(kind="swa"), runs["fgmix"].find(kind="swa"))
    surface, written = draw(
        Setting.through(*anchors, data=task),
        Where(points=options.points),
        out=options.out,
        name=f"surface-{stem}",
        note=f"({CAVEAT})",
    )
    print(report(surface))

    rows, pairs = table(runs, task)
    text = render(rows, pairs, task)
    content = {"rows": rows, "pairs": pairs, "caveat": CAVEAT, "provenance": provenance()}
    for suffix, whole in (("md", text + "\n"), ("json", json.dumps(content, indent=1) + "\n")):
        file = options.out / f"accuracy-{stem}.{suffix}"
        if not file.is_file() or file.read_text() != whole:
            atomic_write(file, whole)
            written.append(file)
    print("\n" + text)
    for file in written:
        print(f"wrote {file}")
    if not written:
        print(f"nothing to do: everything is in {options.out}/ and {options.root}/")


def table(runs: dict[str, "Run"], task: "Task") -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Target scores of the last checkpoints, raw and averaged, and the paired differences FGMix - ERM.

    Returns:
        One row a model: accuracy, balanced accuracy and n on the whole target, and accuracy on the concepts that
        occur among the training images and on those that do not; and one row a comparison on the same images.
    """
    from landscape.checkpoint import Checkpoint
    from landscape.evaluation import Evaluator, scores
    from landscape.intervals import paired_difference
    from landscape.training.engine import initial_network

    seen = task.seen()
    target = task.target_rows()
    labels = task.images.labels[target]
    network = initial_network(runs["erm"].config, len(task.images.classes))
    evaluator = Evaluator(network, task.images.pixels, task.images.labels, rows=target)
    rows, correct = [], {}
    kinds: tuple[Kind, ...] = ("raw", "swa")
    for name, run in runs.items():
        for kind in kinds:
            checkpoint = Checkpoint.load(run.find(kind=kind))
            found = evaluator.at(checkpoint.weights(network), checkpoint.buffers(network))
            label = label_of(name, kind == "swa")
            correct[label] = found.correct
            row: dict[str, Any] = {"model": label, "step": checkpoint.step}
            row |= scores(found.loss, found.correct, labels)
            if seen is not None:
                for part, chosen in (("seen", seen[target]), ("unseen", ~seen[target])):
                    values = scores(found.loss[chosen], found.correct[chosen], labels[chosen])
                    row |= {f"{part}_{key}": value for key, value in values.items()}
            rows.append(row)
    pairs = []
    for average in ("", " + SWA"):
        first, second = f"ERM{average}", f"FGMix{average}"
        gain = paired_difference(correct[first], correct[second])
        numbers = {"mean": gain.value, "low": gain.low, "high": gain.high, "n": gain.n}
        pairs.append({"first": first, "second": second, **numbers})
    return rows, pairs


def render(rows: list[dict[str, Any]], pairs: list[dict[str, Any]], task: "Task") -> str:
    """The accuracies as a Markdown table with what a reader needs to judge them."""
    n = {part: rows[0][f"{part}n"] for part in ("", "seen_", "unseen_")}
    lines = [
        f"Target {task.target} (n = {n['']}), sources {', '.join(task.sources)}; step {rows[0]['step']}.",
        "",
        f"| model | accuracy | balanced | seen concepts (n = {n['seen_']}) | unseen concepts (n = {n['unseen_']}) |",
        "|---|---:|---:|---:|---:|",
    ]
    columns = ("accuracy", "balanced_accuracy", "seen_accuracy", "unseen_accuracy")
    lines += [f"| {row['model']} | " + " | ".join(f"{row[name]:.3f}" for name in columns) + " |" for row in rows]
    lines += [""]
    lines += [
        f"{pair['second']} - {pair['first']}: {pair['mean']:+.3f} [{pair['low']:+.3f}, {pair['high']:+.3f}] "
        f"(paired 95 % bootstrap interval over the {pair['n']} target images)"
        for pair in pairs
    ]
    lines += [f"({CAVEAT})"]
    return "\n".join(lines)


if __name__ == "__main__":
    command.run(main)
