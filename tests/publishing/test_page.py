"""The page for other systems tells the truth: every event, field and code is there, and its snippet runs."""

import re
import textwrap

import msgspec
import nats

from bus_schemas import Failed, Speech, codec, codes
from bus_schemas.events import EVENTS
from services.runtime.bus import Bus
from tests.publishing.stages import ROOT

PAGE = (ROOT / "docs" / "publishing.md").read_text("utf-8")
CODES = sorted(value for name, value in vars(codes).items() if name.isupper() and value != codes.REFUSED)
IN_THE_SUBJECT = {"origin", "session"}


def test_every_event_has_its_row_with_its_fields() -> None:
    """A new field that nobody is told of is of no use to another system."""
    rows = dict(re.findall(r"^\| `(\w+)` (\|.*)\|$", PAGE, re.MULTILINE))
    common = {field.name for field in msgspec.structs.fields(EVENTS[0])} & {
        field.name for field in msgspec.structs.fields(EVENTS[-1])
    }
    for event in EVENTS:
        named = set(re.findall(r"`(\w+)`", rows[event.NAME]))
        own = {field.name for field in msgspec.structs.fields(event)} - common - {event.PAYLOAD}
        assert named >= own, f"{event.NAME} lacks {own - named}"


def test_every_common_field_is_named() -> None:
    """What all events carry is told once."""
    common = set.intersection(*({field.name for field in msgspec.structs.fields(event)} for event in EVENTS))
    assert [name for name in sorted(common - IN_THE_SUBJECT) if f"`{name}`" not in PAGE] == []


def test_every_code_is_named() -> None:
    """A program cannot handle what it never heard of."""
    assert [
        code for code in CODES if f"`{code}`" not in PAGE and f"`{code.removeprefix('refused.')}`" not in PAGE
    ] == []


async def test_what_was_missed_is_read_again_as_the_page_says(bus: Bus) -> None:
    """The snippet itself is run."""
    (snippet,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    place: dict[str, object] = {"nats": nats}
    exec(f"async def read(client, origin, session):\n{textwrap.indent(snippet, '    ')}    return missed", place)
    speech = Speech(origin="kiosk-7", session="42", turn="1", n=0, take="k", wav=b"RIFF")
    failed = Failed(origin="kiosk-7", session="42", turn="2", stage="stt", code="deadline", message="too late")
    await bus.publish(speech)
    await bus.publish(msgspec.structs.replace(speech, session="43"))
    await bus.publish(failed)
    missed = await place["read"](bus.client, "kiosk-7", "42")  # type: ignore[operator]
    assert [codec.decode(message.subject, message.data, message.headers) for message in missed] == [speech, failed]
