"""landscape: why does a model generalise to domains it has not seen?

A training engine for domain generalization (FGMix, its ablations, ERM) and an analysis suite for the
checkpoints it writes, or for yours. Importing this package loads neither torch nor a plotting library;
the names below are loaded when they are first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__version__ = "0.1.0"
