from .association import Association as Association
from .identifiability import Place as Place, Untrained as Untrained
from .rank import Estimate as Estimate
from .samples import DomainPair as DomainPair, GroupScores as GroupScores
