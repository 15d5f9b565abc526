"""What a finished run says about itself, and which of its checkpoints source validation would choose."""

from typing import Any

from landscape.config import RunConfig
from landscape.training.run import Kind, Run


def evaluations(run: Run, kind: Kind = "raw") -> list[dict[str, Any]]:
    """The evaluation of every recorded checkpoint of one kind, in order of steps, the trunk's included."""
    recorded = {step for step, _ in run.checkpoints(kind)}
    rows = {
        row["step"]: row
        for row in run.metrics()
        if row["event"] == "evaluation" and row["kind"] == kind and row["step"] in recorded
    }
    return [rows[step] for step in sorted(rows)]


def select(run: Run, kind: Kind = "raw") -> dict[str, Any]:
    """Training-domain validation: the evaluation with the highest mean accuracy on the sources' out-splits.

    The first of equals; the last one where no source has a validation image. Nothing about the target is read.
    (DomainBed's selection by training-domain validation.)
    """
    rows = [row for row in evaluations(run, kind) if row["step"] > 0]
    judged = [row for row in rows if row["validation"]["accuracy"] is not None]
    return max(judged, key=lambda row: row["validation"]["accuracy"]) if judged else rows[-1]


def summarise(run: Run) -> str:
    """A few lines for the terminal: the last and the selected checkpoint, raw and averaged."""
    config = run.config
    lines = [
        f"{config.method.label} on {config.data}, {_task(config)}, seed {config.seed}: {run.folder}",
        f"{'':26}{'step':>6}{'validation':>12}{'target':>9}{'balanced':>10}{'n':>7}",
    ]
    names: dict[Kind, str] = {"raw": "raw", "swa": "SWA"}
    for kind, name in names.items():
        rows = evaluations(run, kind)
        if not rows:
            continue
        for what, row in (("last", rows[-1]), ("by source validation", select(run, kind))):
            target = row["target"]
            lines.append(
                f"{f'{name}, {what}':26}{row['step']:>6}{_number(row['validation']['accuracy']):>12}"
                f"{_number(target['accuracy']):>9}{_number(target['balanced_accuracy']):>10}{target['n']:>7}"
            )
            lines += [
                f"{f'  {domain}':26}{'':>18}{_number(each['accuracy']):>9}{_number(each['balanced_accuracy']):>10}"
                f"{each['n']:>7}"
                for domain, each in row.get("target_per_domain", {}).items()
            ]
    return "\n".join(lines)


def _task(config: RunConfig) -> str:
    if not config.targets:
        return f"target {config.target}"
    return f"from {', '.join(config.sources)} to {', '.join(config.targets)} (the mean over targets)"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
