"""What is learned from: manifests, windows, splits, leaks, scores; published data sets and synthetic ones."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
