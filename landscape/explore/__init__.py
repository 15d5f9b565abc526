"""Results in, one offline page out: ``python -m landscape.explore RESULTS...``."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
