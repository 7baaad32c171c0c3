"""phosphene: sounds, time series, mouse sessions and program files as images, classified by pretrained CNNs.

The names of a whole run. Each is imported when it is first used, so that reading a file costs no import of torch.

Examples
--------
>>> import phosphene as ph
>>> ph.make("gasf", size=64)(ph.Series([0.0, 1.0, 0.0, 1.0])).pixels.shape
(64, 64, 1)
"""

import lazy_loader as _lazy

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
