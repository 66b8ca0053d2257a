"""What a broker says against a stream: for good, or until it has found the others of its cluster."""

from collections.abc import Iterator
from contextlib import contextmanager

from nats.errors import Error as NatsError
from nats.js.errors import APIError

from .errors import Unavailable

NOT_YET = (None, 10004, 10005, 10008, 10009)
"""What brokers answer that have not found each other or chosen a leader; nobody answers without a code."""


@contextmanager
def noted(name: str, refused: list[str]) -> Iterator[None]:
    """Note in *refused* what the broker says against *name*. Raises: Unavailable when it may say otherwise soon."""
    try:
        yield
    except APIError as error:
        if error.err_code in NOT_YET:
            raise Unavailable(f"JetStream cannot make {name} yet: {error.description or 'nobody answers'}") from error
        refused.append(f"{name}: {error.description}")
    except (NatsError, TimeoutError) as error:
        raise Unavailable(f"JetStream does not answer: {error}") from error
