from .codes import Codes as Codes
from .embedding import Embedding as Embedding
from .estimate import Estimate as Estimate
from .mingling import compare as compare
from .mixed import Mixed as Mixed
from .recipe import Recipe as Recipe
