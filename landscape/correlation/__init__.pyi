from .association import Association as Association
from .identifiability import Place as Place, Untrained as Untrained
from .samples import DomainPair as DomainPair, GroupScores as GroupScores
