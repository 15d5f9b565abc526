"""Training methods: a catalogue with a row each, one small interface, and the parts that methods are composed of.

The catalogue loads no torch; the names below are loaded when they are first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
