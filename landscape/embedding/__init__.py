"""Latent codes and mixup codes side by side: ``python -m landscape.embedding RUN[@swa]``."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
