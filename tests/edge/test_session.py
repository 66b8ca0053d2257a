"""What a conversation does with frames, events and time: turns one by one, in order, bounded, each with one reply."""

from collections.abc import Iterator

from bus_schemas import Cancel, Event, Failed, Sentence, Speech, Utterance, codes
from bus_schemas.frames import Error
from services.edge.actions import Action, Find, Leave, Publish, Recover, Report, SendAnswer, SendError, Tell
from services.edge.session import Session
from services.edge.turn import Limits, Wishes

BAD = Error(codes.NOT_WAV, "This is not a WAV file.")
WISHES = Wishes("web", "s", voice="man", language="pt", timeout_ms=20_000)


def names() -> Iterator[str]:
    yield from (f"turn{number}" for number in range(1, 100))


def session(waiting: int = 2) -> Session:
    return Session(WISHES, Limits(waiting=waiting, silence=3.0), names().__next__)


def spoken(turn: str) -> Speech:
    return Speech(turn=turn, attempt="a", n=0, take="t", end=True, last=True, transcription="q", reply="r", wav=b"w")


def kinds(actions: list[Action]) -> list[str]:
    return [type(action).__name__ for action in actions]


def only(actions: list[Action]) -> Action:
    (action,) = actions
    return action


def test_a_frame_becomes_an_utterance_with_the_wishes_of_its_socket() -> None:
    """Origin, session, voice, language and time limit are the socket's."""
    action = only(session().heard(b"wav", 0))

    assert action == Publish(
        Utterance(origin="web", session="s", turn="turn1", voice="man", language="pt", timeout_ms=20_000, wav=b"wav")
    )


def test_an_answered_turn_is_reported_when_its_reply_has_left() -> None:
    """The report counts from the frame to the end of the reply."""
    talk = session()
    talk.heard(b"wav", 1.0)
    action = only(talk.event(spoken("turn1"), 2.0))

    assert isinstance(action, SendAnswer)
    assert (action.answer.transcription, action.answer.reply, action.answer.wavs) == ("q", "r", (b"w",))
    assert only(talk.sent(4.5)) == Report("turn1", "answered", seconds=3.5, counted=True)


def test_a_silent_turn_is_reported_as_silent() -> None:
    """Nothing said and nothing answered is a result."""
    talk = session()
    talk.heard(b"wav", 0)
    talk.event(Speech(turn="turn1", n=0, take="t", end=True, last=True), 1)

    assert only(talk.sent(2)) == Report("turn1", "silent", seconds=2, counted=True)


def test_the_next_turn_starts_when_the_reply_of_the_one_before_has_left() -> None:
    """One turn is on the bus at a time."""
    talk = session()
    talk.heard(b"one", 0)

    assert talk.heard(b"two", 0) == []
    assert kinds(talk.event(spoken("turn1"), 1)) == ["SendAnswer"]
    assert talk.turn == ""
    assert kinds(talk.sent(2)) == ["Report", "Publish"]
    assert talk.turn == "turn2"


def test_a_bad_frame_is_answered_in_its_place() -> None:
    """Good, bad, good: three replies in that order."""
    talk = session()
    talk.heard(b"one", 0)
    talk.heard(BAD, 0)
    talk.heard(b"two", 0)
    talk.event(spoken("turn1"), 1)

    assert talk.sent(1)[1:] == [SendError(BAD)]
    report, publish = talk.sent(1.5)
    assert report == Report("", "refused", codes.NOT_WAV, "edge", seconds=1.5)
    assert isinstance(publish, Publish)


def test_a_bounded_number_waits() -> None:
    """Beyond it the socket is to say `busy`; a place is free again when a turn ends."""
    talk = session(waiting=2)
    for _ in range(3):
        assert not talk.full
        talk.heard(b"wav", 0)
    assert talk.full

    talk.event(spoken("turn1"), 1)
    assert talk.full
    talk.sent(1)
    assert not talk.full


def test_nothing_may_wait_and_still_one_turn_runs() -> None:
    """A limit of 0 takes turns one after the other."""
    talk = session(waiting=0)
    assert not talk.full
    talk.heard(b"wav", 0)

    assert talk.full


def test_events_of_other_turns_mean_nothing() -> None:
    """Neither a finished turn's nor another socket's of the same session, nor what this socket published itself."""
    talk = session()
    talk.heard(b"one", 0)
    talk.heard(b"two", 0)

    strange: list[Event] = [spoken("turn2"), spoken("turn9"), Utterance(turn="turn1"), Cancel(turn="turn1")]
    assert [talk.event(event, 1) for event in strange] == [[], [], [], []]
    talk.event(spoken("turn1"), 1)
    assert talk.event(spoken("turn1"), 1) == []
    talk.sent(1)
    assert talk.event(spoken("turn1"), 1) == []


def test_a_failure_is_told_and_the_rest_is_cancelled() -> None:
    """The stages hear that nobody waits, the client hears why, the report says where."""
    talk = session()
    talk.heard(b"wav", 0)
    actions = talk.event(Failed(turn="turn1", stage="stt", code=codes.CRASHED, message="It broke."), 1)

    assert actions == [
        Tell(Cancel(origin="web", session="s", turn="turn1")),
        SendError(Error(codes.CRASHED, "It broke.")),
    ]
    assert only(talk.sent(2)) == Report("turn1", "failed", codes.CRASHED, "stt", seconds=2, counted=True)


def test_a_failure_of_an_older_attempt_changes_nothing() -> None:
    """The newer attempt goes on."""
    talk = session()
    talk.heard(b"wav", 0)
    talk.event(Sentence(turn="turn1", attempt="b", n=0, text="x"), 1)

    assert talk.event(Failed(turn="turn1", attempt="a", stage="llm", code="crashed", message="m"), 1) == []


def test_a_turn_that_the_bus_does_not_take_is_told() -> None:
    """Once; when it is over already, nothing happens."""
    talk = session()
    talk.heard(b"wav", 0)
    busy = Error(codes.BUSY, "Too much is waiting.")

    assert kinds(talk.fail("turn1", busy)) == ["Tell", "SendError"]
    assert talk.fail("turn1", busy) == []


def test_past_its_deadline_a_turn_gets_one_error() -> None:
    """Counted from when it went on the bus, not from when it came."""
    talk = session()
    talk.heard(b"one", 0)
    talk.heard(b"two", 0)
    talk.event(spoken("turn1"), 15)
    talk.sent(15)

    assert kinds(talk.tick(34.9)) == ["Recover"]
    cancel, error = talk.tick(35)
    assert cancel == Tell(Cancel(origin="web", session="s", turn="turn2"))
    assert isinstance(error, SendError)
    assert error.error.code == codes.DEADLINE
    assert "20 s" in error.error.message
    assert talk.tick(36) == []


def test_a_silent_bus_is_looked_behind() -> None:
    """After three seconds, then more and more rarely: a turn that only waits costs the broker little."""
    talk = Session(Wishes("web", "s"), Limits(), names().__next__)
    assert talk.wakes is None
    talk.heard(b"wav", 0)
    seen: list[float] = []
    while (wakes := talk.wakes) is not None and wakes < 50:
        assert talk.tick(wakes - 0.1) == []
        assert talk.tick(wakes) == [Recover()]
        seen.append(wakes)

    assert seen == [3, 9, 21, 33, 45]


def test_an_event_makes_the_silence_begin_anew() -> None:
    """Three seconds after it, not after the turn's beginning."""
    talk = session()
    talk.heard(b"wav", 0)
    talk.tick(3)
    talk.event(Sentence(turn="turn1", attempt="a", n=0, text="x"), 4)

    assert talk.tick(6.9) == []
    assert talk.tick(7) == [Recover()]


def test_a_closed_socket_cancels_its_turn() -> None:
    """What waited is forgotten, what was leaving is reported."""
    talk = session()
    assert talk.closed(0) == []
    talk.heard(b"one", 0)
    talk.heard(b"two", 0)

    cancelled = Tell(Cancel(origin="web", session="s", turn="turn1"))
    assert talk.closed(1) == [cancelled, Report("turn1", "closed", seconds=1, counted=True)]
    assert talk.sent(1) == []

    leaving = session()
    leaving.heard(b"one", 0)
    leaving.event(spoken("turn1"), 1)
    assert leaving.closed(2) == [Report("turn1", "closed", seconds=2, counted=True)]


def test_a_stopping_service_finishes_what_runs_and_takes_no_more() -> None:
    """The running turn is answered, the waiting ones and later ones are told, then the socket is left."""
    talk = session()
    talk.heard(b"one", 0)
    talk.heard(b"two", 0)
    assert talk.stop(1) == []
    assert kinds(talk.event(spoken("turn1"), 2)) == ["SendAnswer"]

    _, error = talk.sent(2)
    assert isinstance(error, SendError)
    assert error.error.code == codes.UNAVAILABLE
    assert kinds(talk.sent(3)) == ["Report", "Leave"]


def test_an_idle_socket_of_a_stopping_service_is_left_at_once() -> None:
    """Nothing runs, nothing waits."""
    assert session().stop(0) == [Leave()]


def test_a_reply_that_could_not_leave_as_meant_is_reported_as_what_left() -> None:
    """An answer whose sound cannot be read becomes an error on its way."""
    talk = session()
    talk.heard(b"wav", 0)
    talk.event(spoken("turn1"), 1)

    expected = Report("turn1", "failed", codes.CRASHED, seconds=1, counted=True)
    assert only(talk.sent(1, "failed", codes.CRASHED)) == expected


def returning(resume: str = "") -> Session:
    """A session whose client can come back, or has."""
    wishes = Wishes("web", "s", timeout_ms=20_000, turns=True, resume=resume)
    return Session(wishes, Limits(waiting=2, silence=3.0), names().__next__)


def test_a_turn_that_a_client_came_back_for_is_looked_for_and_answered_first() -> None:
    """What is asked meanwhile waits."""
    talk = returning("old")
    assert talk.resume(0) == [Find("old")]
    assert talk.heard(b"new", 1) == []
    assert kinds(talk.event(spoken("old"), 2)) == ["SendAnswer"]
    assert kinds(talk.sent(3)) == ["Report", "Publish"]


def test_nothing_is_looked_for_when_nobody_came_back() -> None:
    assert returning().resume(0) == []


def test_a_turn_that_was_found_keeps_its_own_deadline() -> None:
    """Sooner or later than what the new socket would allow."""
    soon, late = returning("old"), returning("old")
    for talk, seconds in ((soon, 5.0), (late, 30.0)):
        talk.resume(0)
        talk.found("old", seconds, 1)

    assert kinds(soon.tick(6)) == ["Tell", "SendError"]
    assert kinds(late.tick(30)) == ["Recover"]
    assert kinds(late.tick(31)) == ["Tell", "SendError"]


def test_a_turn_that_is_not_known_is_told_and_never_cancelled() -> None:
    """The broker's copy that was asked may have been behind."""
    talk = returning("old")
    talk.resume(0)
    unknown = Error(codes.UNKNOWN_TURN, "Not known.")

    assert talk.fail("old", unknown, cancel=False) == [SendError(unknown)]


def test_a_turn_whose_client_may_come_back_is_left_alone() -> None:
    """It is reported, and nobody is told to stop."""
    talk = returning()
    talk.heard(b"wav", 0)

    assert talk.closed(1, cancel=False) == [Report("turn1", "closed", seconds=1, counted=True)]


def test_a_service_that_cannot_wait_leaves_those_who_can_come_back_without_an_error() -> None:
    """Their turns go on, and another edge gives the answers; the others are told, and their turns are cancelled."""
    lasting, other = returning(), session()
    for talk in (lasting, other):
        talk.heard(b"wav", 0)
        talk.stop(1)

    assert lasting.give_up(2) == [Report("turn1", "closed", seconds=2, counted=True), Leave()]
    assert kinds(other.give_up(2)) == ["Tell", "SendError"]
    assert session().give_up(2) == []
