from .comparison import Flatness as Flatness
from .curve import FlatnessCurve as FlatnessCurve
from .path import CurvaturePath as CurvaturePath
from .spectrum import Curvature as Curvature
