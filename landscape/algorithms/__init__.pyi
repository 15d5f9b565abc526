from .algorithm import Algorithm as Algorithm, Facts as Facts, Setup as Setup, build_algorithm as build_algorithm
from .catalogue import METHODS as METHODS
from .composed import Composed as Composed, Outputs as Outputs
from .method import Method as Method, Options as Options
from .rules.kinds import CoordinateRule as CoordinateRule, GramRule as GramRule
