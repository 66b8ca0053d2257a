"""One error instead of a group of them."""

from collections.abc import Iterator
from contextlib import contextmanager

from services.runtime.errors import VoicebusError


@contextmanager
def raised() -> Iterator[None]:
    """Raise the error to tell instead of the group that a TaskGroup made of it: ours before a crash."""
    try:
        yield
    except BaseExceptionGroup as errors:
        raise _first(errors) from None


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    leaves = [_first(e) if isinstance(e, BaseExceptionGroup) else e for e in errors.exceptions]
    ours = [error for error in leaves if isinstance(error, VoicebusError)]
    return (ours or leaves)[0]
