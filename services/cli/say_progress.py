"""What `voicebus say` shows a person while a question is on its way: sent so far, then taken, then the waiting."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from . import console
from .client import Client

MIB = 1024 * 1024
BAR = 24
"""Characters."""


@contextmanager
def shown(client: Client, size: int) -> Iterator[None]:
    """While *client* asks a question of *size* bytes; nothing is drawn where no person looks."""
    if not console.interactive():
        yield
        return
    began, spinner = time.monotonic(), Spinner("dots")

    def line() -> Table:
        table = Table.grid(padding=(0, 1))
        sent, what = max(0, size - client.unsent), state(client)
        bar = ProgressBar(size, sent, width=BAR) if sent < size else Text("")
        table.add_row(spinner, what, bar, Text(f"{time.monotonic() - began:.1f} s", "dim"))
        return table

    with Live(console=console.stderr(), get_renderable=line, refresh_per_second=10, transient=True):
        yield


def state(client: Client) -> str:
    """How far the question is, in words."""
    if client.broken:
        return "the link broke; connecting again"
    if client.unsent:
        return f"sending the question, {client.unsent / MIB:.1f} MiB to go"
    return "taken; it is heard and answered" if client.taken else "sent; waiting for the edge to take it"
