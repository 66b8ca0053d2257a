"""Python's cyclic garbage collector, set for a service: it looks seldom, and not at what was loaded at its start.

Nearly all that a message leaves behind is freed at once, without the collector. It runs whenever there are 700 objects
more than the last time, which the messages under way are already, and now and then it goes through all modules and
models: a fourteenth of the instructions of a message, and the caches with them.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

MORE_OBJECTS = 5000
"""So many more than the last time before it looks again; Python's own number is 700."""


@contextmanager
def seldom() -> Iterator[None]:
    """Once all is loaded, for as long as the service works."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(MORE_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
