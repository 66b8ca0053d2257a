"""Ports that a command chooses stay free until it takes them."""

from services.cli import ports

GIVEN_FROM = 32_768
"""Linux gives a port from here on to who asks for any; macOS from 49152 on."""


def test_a_free_port_is_none_that_the_system_gives_and_is_chosen_once() -> None:
    chosen = [ports.free() for _ in range(20)]

    assert max(chosen) < GIVEN_FROM
    assert len(set(chosen)) == len(chosen)
