"""The only place that runs a network over data, exactly: fixed order, evaluation mode, float64 sums."""

from landscape.evaluation.evaluator import Evaluator
from landscape.evaluation.folding import Folded
from landscape.evaluation.predictions import Predictions
from landscape.evaluation.span import Point, Span
from landscape.evaluation.tally import Tally, scores

__all__ = ["Evaluator", "Folded", "Point", "Predictions", "Span", "Tally", "scores"]
