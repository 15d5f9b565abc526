"""Training: a straight loop, runs that resume by themselves, weight averaging, recording."""

from landscape.training.checks import TrainingDiverged
from landscape.training.engine import locate, plan, train
from landscape.training.run import Run, resolve
from landscape.training.summary import evaluations, select, summarise

__all__ = ["Run", "TrainingDiverged", "evaluations", "locate", "plan", "resolve", "select", "summarise", "train"]
