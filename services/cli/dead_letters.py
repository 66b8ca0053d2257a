"""How a dead letter looks: a line of JSON for a program; a row of a table, or all of its fields, for a person."""

from collections.abc import Iterator, Sequence
from datetime import UTC

import msgspec
from msgspec import Struct
from rich.table import Table
from rich.text import Text

from services.runtime.dead import Letter

from . import console


class Shown(Struct, frozen=True):
    """What `--json` prints of a letter."""

    number: int
    at: str
    """When it was given up, UTC."""
    stage: str
    code: str
    reason: str
    origin: str
    session: str
    turn: str
    run: int
    attempt: str
    subject: str
    """Where the message was published."""
    sequence: int
    deliveries: int
    bytes: int
    """Of the message."""
    headers: dict[str, str]
    """Of the message."""


def line(letter: Letter) -> str:
    """One line of JSON."""
    return msgspec.json.encode(_shown(letter)).decode()


def draw(letters: Sequence[Letter]) -> None:
    """A row a letter: two lines on a terminal, one line that is cut nowhere where a program may read it."""
    console.print_table(_table(letters, console.between_lines()))


def rows(letter: Letter) -> Iterator[Text]:
    """A row a field, then a row a header."""
    shown = msgspec.to_builtins(_shown(letter))
    headers = shown.pop("headers")
    for name, value in shown.items():
        if value != "":
            yield _row(name, str(value))
    for name, value in headers.items():
        yield _row("header", f"{name}: {value}")


def _table(letters: Sequence[Letter], between: str) -> Table:
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("letter", "given up (UTC)", "stage", "code"):
        drawn.add_column(name, no_wrap=True, justify="right" if name == "letter" else "left")
    drawn.add_column("origin, session, turn: why", overflow="fold")
    for letter in letters:
        shown, dead = _shown(letter), letter.dead
        turn = " ".join((dead.origin, dead.session, dead.turn, f"run {dead.run}" if dead.run else "")).strip()
        drawn.add_row(
            str(shown.number),
            f"{letter.at.astimezone(UTC):%m-%d %H:%M:%S}",
            Text(console.safe(shown.stage), console.COLOURS.get(shown.stage, "white")),
            Text(console.safe(shown.code)),
            Text.assemble(console.safe(turn), between, (console.safe(shown.reason), "dim")),
        )
    return drawn


def _row(name: str, value: str) -> Text:
    return Text.assemble((f"{name:<11}", "bold"), console.safe(value))


def _shown(letter: Letter) -> Shown:
    dead = letter.dead
    return Shown(
        number=letter.number,
        at=letter.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        stage=dead.stage,
        code=dead.code,
        reason=dead.reason,
        origin=dead.origin,
        session=dead.session,
        turn=dead.turn,
        run=dead.run,
        attempt=dead.attempt,
        subject=dead.subject,
        sequence=dead.sequence,
        deliveries=dead.deliveries,
        bytes=letter.size,
        headers=dead.headers,
    )
