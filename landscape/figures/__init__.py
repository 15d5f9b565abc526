"""Every figure and table of the two papers, and what neither shows, from runs and stored results.

``items`` has a module for each, under its name, with one function ``make(study) -> Product``; ``numbers`` has what they
are made of, and ``machinery`` what makes them: :data:`~landscape.figures.machinery.registry.ITEMS` lists them all, a
:class:`Study` says of which runs they are.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
