"""What is begun is ended, what is taken is given back, in whatever order frames, events and ends come."""

import asyncio
from collections import deque
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from websockets.asyncio.client import connect

from bus_schemas import Event, Failed, codes
from bus_schemas.frames import Error
from services.edge.actions import Action, Publish, Report, SendAnswer, SendError
from services.edge.admission import Admission
from services.edge.dialogue import Dialogue
from services.edge.server import Edge
from services.edge.session import Session
from services.edge.settings import EdgeSettings
from services.edge.turn import Limits, Wishes
from services.runtime.bus import Bus, BusSettings
from tests.edge.asking import answering, edge, receive, speech, tone, two_sentences
from tests.harness import wait_until

STEPS = ("question", "junk", "act", "answer", "failure", "read", "tick", "stop", "give up", "break")
WISHES = Wishes("web", "s", timeout_ms=2_000)
JUNK = Error(codes.TEXT_FRAME, "no question")


class Socket:
    """A conversation as `Conversation` leads it, without a socket: actions are done later, reports at once."""

    def __init__(self, session: Session | Dialogue) -> None:
        self.session = session
        self.now = 0.0
        self.todo: deque[Action] = deque()
        self.counted: list[int] = [0]
        """Questions that are counted into their party's limits now, after each step."""
        self.open: set[str] = set()
        """Turns that were told as begun and not as ended."""

    def do(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Report):
                self.open.discard(action.turn)
                self.counted.append(self.counted[-1] - action.counted)
            else:
                self.todo.append(action)

    def act(self) -> None:
        action = self.todo.popleft() if self.todo else None
        if isinstance(action, Publish) and self.session.turn == action.utterance.turn:
            self.open.add(action.utterance.turn)
        elif isinstance(action, SendAnswer | SendError) and isinstance(self.session, Session):
            self.do(self.session.sent(self.now))

    def read(self) -> None:
        """The client reads the next frame of a streamed answer."""
        if isinstance(self.session, Dialogue) and self.session.next(self.now) is not None:
            self.do(self.session.left(self.now))

    def hear(self, event: Event) -> None:
        self.do(self.session.event(event, self.now))

    def step(self, name: str) -> None:
        session, turn = self.session, self.session.turn
        self.now += 0.3
        match name:
            case "question":
                self.counted.append(self.counted[-1] + 1)
                self.do(session.heard(b"RIFF", self.now))
            case "junk":
                self.do(session.heard(JUNK, self.now))
            case "act":
                self.act()
            case "answer":
                self.hear(replace(speech(0, last=True), turn=turn))
            case "failure":
                self.hear(Failed(turn=turn, stage="stt", code=codes.CRASHED, message="x"))
            case "read":
                self.read()
            case "tick":
                self.do(session.tick(self.now))
            case "stop":
                self.do(session.stop(self.now))
            case "give up":
                self.do(session.give_up(self.now))

    def close(self) -> None:
        self.do(self.session.closed(self.now))


@pytest.mark.parametrize("kind", [Session, Dialogue])
@settings(max_examples=400, deadline=None)
@given(steps=st.lists(st.sampled_from(STEPS), max_size=30))
def test_every_turn_that_began_has_ended_when_its_socket_is_closed(
    kind: Callable[[Wishes, Limits], Session | Dialogue], steps: list[str]
) -> None:
    """And no more is given back than was taken, at any time: it would be somebody else's."""
    socket = Socket(kind(WISHES, Limits()))
    for step in steps:
        if step == "break":
            break
        socket.step(step)
    socket.close()

    assert socket.open == set()
    assert min(socket.counted) >= 0


@given(st.lists(st.sampled_from(("count", "discount", "look")), max_size=40))
def test_what_an_edge_counts_is_never_less_than_nothing(steps: list[str]) -> None:
    """Also where a look has forgotten a turn before it was known that the bus did not take it."""
    admission = Admission(None, 32, lambda: 0.0)  # type: ignore[arg-type]  # nothing is asked of the bus here
    for step in steps:
        match step:
            case "count":
                admission.count("web")
            case "discount":
                admission.discount("web")
            case "look":
                admission._asked.clear()
        assert all(count > 0 for count in admission._asked.values())


def test_to_ask_whether_a_turn_would_be_refused_changes_nothing() -> None:
    """Forty frames that were no question made an idle edge busy."""
    admission = Admission(None, 32, lambda: 0.0)  # type: ignore[arg-type]  # nothing is asked of the bus here
    assert [admission.refusal("web", 60_000) for _ in range(100)] == [None] * 100


async def test_a_burst_of_interrupted_questions_leaves_no_turn_open(bus: Bus, bus_settings: BusSettings) -> None:
    """Most of them are interrupted before the broker has them."""
    async with edge(bus_settings, EdgeSettings()) as (running, connection), answering(bus, two_sentences):
        async with connect(f"ws://127.0.0.1:{running.port}/ws?stream=1") as client:
            for _ in range(100):
                await client.send(tone(0.05))
            ends = 0
            while ends < 100:
                frame = await client.recv()
                ends += isinstance(frame, str) and '"done"' in frame
        await wait_until(lambda: connection.sightings.open == 0, "no turn is open")


KEYS = "good:key-of-good-0123456789,junk:key-of-junk-0123456789:600:2"


@pytest.mark.parametrize("keys", ["", KEYS], ids=["open", "keys"])
async def test_junk_of_others_makes_nobody_busy_and_is_told_what_it_is(
    bus: Bus, bus_settings: BusSettings, keys: str
) -> None:
    """Four sockets send text frames as fast as they are answered, while one asks twenty good questions."""
    junk, good = ({"Authorization": f"Bearer key-of-{who}-0123456789"} if keys else {} for who in ("junk", "good"))
    async with edge(bus_settings, EdgeSettings(api_keys=keys)) as (running, _), answering(bus, two_sentences):
        await asked_beside_junk(running, junk, good)


async def asked_beside_junk(running: Edge, junk: dict[str, str], good: dict[str, str]) -> None:
    """Twenty good questions, each answered; whatever the junk hears is what is wrong with it."""
    url = f"ws://127.0.0.1:{running.port}/ws"
    heard: set[str] = set()

    async def send_junk() -> None:
        async with connect(url, additional_headers=junk) as client:
            while True:
                await client.send("x")
                heard.add(str(await client.recv()))

    async with asyncio.TaskGroup() as group:
        sending = [group.create_task(send_junk()) for _ in range(4)]
        async with connect(url, additional_headers=good) as client:
            for _ in range(20):
                await client.send(tone(0.2))
                await receive(client)
        for task in sending:
            task.cancel()
    assert [codes.TEXT_FRAME in frame for frame in heard] == [True]
