"""Figures: a frozen result in, matplotlib axes or a plotly page out. Nothing in here computes or loads a model."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
