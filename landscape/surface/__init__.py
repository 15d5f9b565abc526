"""The loss surface on a plane of weight space: ``python -m landscape.surface A B C``."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
