"""A streaming conversation: each turn has one end, whatever comes from the client ends the one before it."""

from collections.abc import Iterator

from bus_schemas import Cancel, Event, Failed, Heard, Speech, Transcript, Utterance, codes
from bus_schemas.events import MAX_HEARD
from bus_schemas.frames import Done, Error, ErrorFrame, Taken
from services.edge.actions import Action, Leave, Publish, Report, Tell
from services.edge.dialogue import MOST_UNSENT, Dialogue, Outgoing
from services.edge.turn import Limits, Wishes

BAD = Error(codes.NOT_WAV, "This is not a WAV file.")


def names() -> Iterator[str]:
    yield from (f"turn{number}" for number in range(1, 100))


def dialogue(*, turns: bool = False, resume: str = "") -> Dialogue:
    wishes = Wishes("web", "s", timeout_ms=20_000, stream=True, turns=turns, resume=resume)
    return Dialogue(wishes, Limits(silence=3.0), names().__next__)


def spoken(turn: str, n: int, *, last: bool = False, pieces: int = 1) -> list[Speech]:
    return [
        Speech(
            turn=turn,
            attempt="a",
            n=n,
            take="t",
            piece=piece,
            end=piece == pieces - 1,
            last=last,
            text=f"Sentence {n}.",
            transcription="q",
            wav=b"w",
        )
        for piece in range(pieces)
    ]


def send(talk: Dialogue, now: float = 1.0, most: int = 1000) -> tuple[list[Outgoing], list[Action]]:
    """What a client reads, and what comes of that."""
    frames: list[Outgoing] = []
    actions: list[Action] = []
    while len(frames) < most and (frame := talk.next(now)):
        frames.append(frame)
        actions += talk.left(now)
    return frames, actions


def ends(frames: list[Outgoing]) -> list[Done | ErrorFrame]:
    return [frame for frame in frames if isinstance(frame, Done | ErrorFrame)]


def publish(actions: list[Action]) -> Utterance:
    (found,) = [action for action in actions if isinstance(action, Publish)]
    return found.utterance


def hear(talk: Dialogue, *events: Event) -> None:
    for event in events:
        talk.event(event, 1.0)


def test_a_turn_ends_with_its_whole_reply_and_is_reported_when_that_has_left() -> None:
    talk = dialogue()
    talk.heard(b"wav", 0.5)
    hear(talk, *spoken("turn1", 0), *spoken("turn1", 1, last=True))
    frames, actions = send(talk, 2.0)

    assert ends(frames) == [Done(True, "turn1", "q", "Sentence 0. Sentence 1.")]
    assert actions == [Report("turn1", "answered", seconds=1.5, first_sound=1.5, counted=True)]
    assert send(talk) == ([], [])


def test_a_new_question_ends_the_running_turn_once_and_says_what_was_heard_of_it() -> None:
    """The stages are told first; the sentence of which a piece is missing was not heard."""
    talk = dialogue()
    talk.heard(b"one", 0)
    hear(talk, *spoken("turn1", 0), spoken("turn1", 1, pieces=2)[0])
    send(talk)
    actions = talk.heard(b"two", 2.0)

    assert actions[0] == Tell(Cancel(origin="web", session="s", turn="turn1"))
    assert actions[1] == Report("turn1", "cancelled", seconds=2.0, first_sound=1.0, counted=True)
    assert publish(actions).heard == Heard(turn="turn1", sentences=1, transcription="q", text="Sentence 0.")
    hear(talk, *spoken("turn1", 2, last=True), *spoken("turn2", 0, last=True))
    first, second = ends(send(talk)[0])
    told = Heard(turn="turn1", sentences=1)
    assert first == Done(True, "turn1", "q", "Sentence 0.", cancelled=True, heard=told)
    assert isinstance(second, Done)
    assert second.turn == "turn2"


def test_a_turn_that_is_interrupted_before_anything_came_has_its_end_too() -> None:
    talk = dialogue()
    talk.heard(b"one", 0)
    assert [type(action) for action in talk.heard(b"two", 1)] == [Tell, Report, Publish]

    (done,) = ends(send(talk)[0])
    assert done == Done(True, "turn1", "", "", cancelled=True, heard=Heard(turn="turn1", sentences=0))


def test_what_has_come_whole_but_not_left_is_interrupted_without_disturbing_the_stages() -> None:
    """A slow client speaks while it is still being told."""
    talk = dialogue()
    talk.heard(b"one", 0)
    hear(talk, *spoken("turn1", 0), *spoken("turn1", 1, last=True))
    send(talk, most=2)

    assert [type(action) for action in talk.heard(b"two", 1)] == [Report, Publish]


def test_a_turn_whose_end_is_on_its_way_has_no_second_one() -> None:
    """Its report comes at once, so that the next turn finds its place free."""
    talk = dialogue()
    talk.heard(b"one", 0)
    hear(talk, *spoken("turn1", 0, last=True))
    while not isinstance(talk.next(1), Done):
        talk.left(1)
    actions = talk.heard(b"two", 1)

    assert [type(action) for action in actions] == [Report, Publish]
    assert talk.left(1) == []
    assert ends(send(talk)[0]) == []


def test_a_cancel_ends_the_turn_and_the_next_question_says_so_whenever_it_comes() -> None:
    talk = dialogue()
    talk.heard(b"one", 0)
    hear(talk, *spoken("turn1", 0))
    send(talk)
    assert [type(action) for action in talk.cancel(1)] == [Tell, Report]
    assert talk.cancel(1) == []

    assert len(ends(send(talk)[0])) == 1
    heard = publish(talk.heard(b"two", 100)).heard
    assert heard is not None
    assert (heard.turn, heard.sentences) == ("turn1", 1)


def test_a_client_may_say_that_it_played_less_than_it_was_sent() -> None:
    """With the cancel, or after it, or after an end; never more."""
    for late in (False, True):
        for said, counts in ((1, 1), (9, 2)):
            talk = dialogue()
            talk.heard(b"one", 0)
            hear(talk, *spoken("turn1", 0), *spoken("turn1", 1), *(spoken("turn1", 2) if not late else ()))
            send(talk, most=3)
            if late:
                hear(talk, *spoken("turn1", 2, last=True))
                send(talk)
            talk.cancel(1, said)
            heard = publish(talk.heard(b"two", 2)).heard
            assert (heard.sentences if heard else None) == (counts if not late or said == 1 else None)


def test_what_llm_may_not_have_heard_is_said_again_until_a_turn_is_answered() -> None:
    """Two interruptions in a row: the second utterance may have come to nothing before llm."""
    talk = dialogue()
    talk.heard(b"one", 0)
    hear(talk, *spoken("turn1", 0))
    send(talk)
    talk.heard(b"two", 1)
    hear(talk, Transcript(turn="turn2", text="what?", seconds=1.0))
    heard = publish(talk.heard(b"three", 2)).heard

    assert heard is not None
    assert (heard.turn, heard.sentences, heard.transcription) == ("turn2", 0, "what?")
    assert [before.turn for before in heard.before] == ["turn1"]
    hear(talk, *spoken("turn3", 0, last=True))
    send(talk)
    assert publish(talk.heard(b"four", 3)).heard is None


def test_turns_that_were_stopped_unheard_take_no_room_from_one_that_was_heard() -> None:
    """Who begins to speak and thinks better of it, again and again, has not unsaid what was said before."""
    talk = dialogue()
    talk.heard(b"one", 0)
    hear(talk, *spoken("turn1", 0))
    send(talk)
    for _ in range(MAX_HEARD + 2):
        told = publish(talk.heard(b"again", 1)).heard
    assert told is not None
    assert len(told.before) == MAX_HEARD - 1
    assert told.before[0] == Heard(turn="turn1", sentences=1, transcription="q", text="Sentence 0.")


def test_silence_is_answered_without_llm_and_leaves_what_it_is_to_be_told() -> None:
    talk = dialogue()
    talk.heard(b"one", 0)
    talk.heard(b"two", 1)
    hear(talk, Speech(turn="turn2", attempt="x", n=0, take="t", end=True, last=True))
    frames, actions = send(talk)

    assert ends(frames)[-1] == Done(True, "turn2", "", "")
    assert [action.outcome for action in actions if isinstance(action, Report)] == ["silent"]
    assert publish(talk.heard(b"three", 2)).heard is not None


def test_a_failure_is_the_one_end_of_its_turn() -> None:
    """What was heard of it is remembered like that of an interrupted one."""
    talk = dialogue()
    talk.heard(b"one", 0)
    hear(talk, *spoken("turn1", 0))
    send(talk)
    actions = talk.event(Failed(turn="turn1", stage="tts", code=codes.CRASHED, message="It broke."), 2)
    frames, reports = send(talk, 3.0)

    assert [type(action) for action in actions] == [Tell]
    assert frames == [ErrorFrame(Error(codes.CRASHED, "It broke."))]
    assert reports == [Report("turn1", "failed", codes.CRASHED, "tts", seconds=3.0, first_sound=1.0, counted=True)]
    heard = publish(talk.heard(b"two", 4)).heard
    assert heard is not None
    assert heard.sentences == 1


def test_a_frame_that_cannot_be_taken_has_its_error_after_the_end_of_the_turn_before() -> None:
    talk = dialogue()
    talk.heard(b"one", 0)
    actions = talk.heard(BAD, 1)

    assert actions[-1] == Report("", "refused", codes.NOT_WAV, "edge")
    assert [type(frame) for frame in ends(send(talk)[0])] == [Done, ErrorFrame]


def test_a_turn_is_named_once_and_before_anything_else_of_it() -> None:
    """By the broker's word or by its first event, whichever comes first."""
    for taken_first in (True, False):
        talk = dialogue(turns=True)
        talk.heard(b"one", 0)
        if taken_first:
            talk.taken("turn1")
        hear(talk, *spoken("turn1", 0))
        talk.taken("turn1")
        frames, _ = send(talk)
        assert [isinstance(frame, Taken) for frame in frames] == [True, False, False]


def test_past_its_deadline_a_turn_gets_one_error_but_not_once_all_of_it_has_come() -> None:
    for last in (False, True):
        talk = dialogue()
        talk.heard(b"one", 0)
        hear(talk, *spoken("turn1", 0, last=last))
        assert (talk.wakes is None) is last
        talk.tick(21)
        (end,) = ends(send(talk)[0])
        assert isinstance(end, Done) is last


def test_a_stopping_service_finishes_what_runs_takes_no_more_and_leaves_when_all_is_sent() -> None:
    talk = dialogue()
    talk.heard(b"one", 0)
    assert talk.stop(1) == []
    hear(talk, *spoken("turn1", 0, last=True))
    assert isinstance(send(talk)[1][-1], Leave)

    late = dialogue()
    late.stop(0)
    late.heard(b"one", 1)
    frames, actions = send(late)
    assert [end.error.code for end in ends(frames) if isinstance(end, ErrorFrame)] == [codes.UNAVAILABLE]
    assert actions == [Leave()]


def test_a_closed_socket_cancels_its_turn_unless_it_can_come_back_to_it() -> None:
    for cancel in (True, False):
        talk = dialogue()
        talk.heard(b"one", 0)
        actions = talk.closed(1, cancel=cancel)
        assert [type(action) for action in actions] == ([Tell, Report] if cancel else [Report])
        assert talk.next(1) is None


def test_each_turn_of_a_socket_that_closes_is_reported_once() -> None:
    """The first failed and its error is being sent, that of the second waits, the third runs."""
    talk = dialogue()
    for number in (1, 2):
        talk.heard(b"wav", number)
        talk.fail(f"turn{number}", BAD)
    talk.heard(b"wav", 3)
    assert isinstance(talk.next(4), ErrorFrame)
    reports = [action for action in talk.closed(5) if isinstance(action, Report)]

    assert [(report.turn, report.outcome) for report in reports] == [(f"turn{n}", "closed") for n in (1, 2, 3)]
    assert [report.seconds for report in reports] == [4, 3, 2]


def test_who_asks_on_and_reads_nothing_is_read_no_further() -> None:
    """The ends of its turns are all that is kept for it."""
    talk = dialogue()
    for number in range(MOST_UNSENT):
        assert not talk.crowded
        talk.heard(b"wav", number)
    talk.heard(b"wav", 100)

    assert talk.crowded
    assert len(ends(send(talk)[0])) == MOST_UNSENT
