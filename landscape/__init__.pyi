from .checkpoint import Checkpoint as Checkpoint
from .config import PRESETS as PRESETS, MixupConfig as MixupConfig, RunConfig as RunConfig
from .correlation import Association as Association
from .data import DomainImages as DomainImages, Task as Task, load_images as load_images, open_task as open_task
from .embedding import Codes as Codes, Embedding as Embedding
from .errors import InputError as InputError
from .evaluation import Evaluator as Evaluator, Tally as Tally
from .flatness import (
    Curvature as Curvature,
    CurvaturePath as CurvaturePath,
    Flatness as Flatness,
    FlatnessCurve as FlatnessCurve,
)
from .models import Network as Network, build_network as build_network
from .surface import Plane as Plane, Profile as Profile, Surface as Surface, Trajectory as Trajectory
from .training import Run as Run

__version__: str
