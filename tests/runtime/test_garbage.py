"""The collector: it looks seldom, and what work leaves behind is freed all the same."""

import gc
import weakref

from services.runtime import garbage


class Knot:
    """Refers to itself, so that only the collector frees it."""

    def __init__(self) -> None:
        self.itself = self


def test_what_work_leaves_behind_is_freed_and_what_was_loaded_is_looked_at_again_in_the_end() -> None:
    before, loaded = gc.get_threshold(), gc.get_freeze_count()
    with garbage.seldom():
        assert gc.get_freeze_count() > loaded
        knot = weakref.ref(Knot())
        held = [list[int]() for _ in range(2 * garbage.MORE_OBJECTS)]
        assert knot() is None

    assert (gc.get_threshold(), gc.get_freeze_count()) == (before, 0)
    assert len(held) == 2 * garbage.MORE_OBJECTS
