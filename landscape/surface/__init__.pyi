from .plane import Plane as Plane
from .profile import Profile as Profile
from .setting import Setting as Setting
from .surface import Surface as Surface
from .trajectory import Trajectory as Trajectory
