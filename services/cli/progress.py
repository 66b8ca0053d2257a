"""What still loads, drawn on the terminal until all is ready."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from . import console
from .children import Child

LONGEST_STATE = 90


@contextmanager
def shown(children: Sequence[Child]) -> Iterator[None]:
    """Draw the children while they start; nothing is drawn where nobody looks: there the log tells."""
    if not console.interactive():
        yield
        return
    spinners = {child.name: Spinner("dots") for child in children}
    with Live(
        console=console.stderr(),
        get_renderable=lambda: _table(children, spinners),
        refresh_per_second=10,
        transient=True,
    ):
        yield
    console.stderr().print(_table(children, spinners))


def _table(children: Sequence[Child], spinners: dict[str, Spinner]) -> Table:
    table = Table.grid(padding=(0, 1))
    for child in children:
        colour = console.COLOURS.get(child.name, "white")
        if child.state:
            mark: Spinner | Text = spinners[child.name]
            state = f"[dim]{escape(child.state[:LONGEST_STATE])}[/]"
        else:
            mark, state = Text("✓", style="green"), f"[dim]ready in {child.seconds:.1f} s[/]"
        table.add_row(mark, f"[{colour}]{child.name}[/]", state)
    return table
