"""Images to classifiers to predictions: `train`, `cross_validate`, `convert`, `Classifier`.

Names are imported when they are first used, so that what needs no network costs no import of torch.
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
