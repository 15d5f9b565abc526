"""Every figure and table of the two papers, and what neither shows, from runs and stored results.

:data:`~landscape.figures.registry.ITEMS` lists them; a :class:`Study` says of which runs they are; each item's module
has one function, ``make(study) -> Product``.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
