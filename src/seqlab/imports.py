"""How PyTorch and Lightning are imported in two thirds of the time."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def importing() -> Iterator[None]:
    """Import inside, without looking for garbage meanwhile or, in what is there then, ever after.

    These imports make half a million objects that stay. Python would look through them again and again as they come,
    and once more in the middle of training. Nothing is done where PyTorch is there already.
    """
    if "torch" in sys.modules:
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
