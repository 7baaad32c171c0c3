"""Converters and reader of the series kind, each imported when it is first asked for."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
