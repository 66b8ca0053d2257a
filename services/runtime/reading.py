"""How much of what the broker sends is read at once."""

from nats.aio import client

READ_BYTES = 256 * 1024
"""As much as both event loops take from a socket at a time; five seconds of speech are 160 KB. nats-py's own 32 KB made
it five rounds of the loop, and as many looks at a message that is not whole yet: a sixth of stt's CPU for it."""


def in_large_pieces() -> None:
    """For every connection of this process from now on: nats-py has no option for it."""
    client.DEFAULT_BUFFER_SIZE = READ_BYTES
