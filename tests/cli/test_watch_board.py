"""The board of `voicebus watch`: what it makes of sightings, and that it is bounded. No bus, no terminal."""

from io import StringIO

from msgspec.structs import replace
from rich.console import Console

from services.cli import watch_picture
from services.cli.watch_board import GONE_SECONDS, LINGER_SECONDS, MOST_TURNS, MOST_WORKERS, Board, place
from services.cli.watch_items import Broker, Depth, Depths, Said, Worker
from services.runtime.sightings import Sighting

NOW = 1000.0


def seen(service: str, what: str, at: float = NOW, turn: str = "t1", **more: object) -> Sighting:
    """A sighting of one conversation."""
    return replace(Sighting(service, what, at, "web", "kitchen", turn), **more)


def board(*items: Sighting) -> Board:
    """A board that has seen them."""
    made = Board(NOW - 100)
    for item in items:
        made.take(item, item.at)
    return made


def only(made: Board) -> str:
    """Where its one turn is."""
    (turn,) = made.turns.values()
    return place(turn)


def picture(made: Board, now: float = NOW, height: int = 0, width: int = 140) -> str:
    """As text."""
    out = Console(file=StringIO(), width=width)
    out.print(watch_picture.draw(made, now, height))
    assert isinstance(out.file, StringIO)
    return out.file.getvalue()


def test_a_turn_is_where_it_was_seen_last() -> None:
    """From the edge through the stages, and gone some seconds after its end."""
    steps = [
        (seen("edge", "asked"), "waits for stt"),
        (seen("stt", "started", NOW + 0.1, queue_ms=90.0), "in stt"),
        (seen("stt", "finished", NOW + 0.6), "waits for llm"),
        (seen("llm", "started", NOW + 0.7, queue_ms=100.0), "in llm"),
        (seen("tts", "started", NOW + 0.9, n=0), "in llm and tts"),
        (seen("llm", "finished", NOW + 1.0), "in tts"),
        (seen("tts", "finished", NOW + 1.2, n=0, last=True), "leaves"),
        (seen("edge", "answered", NOW + 1.3), "answered"),
    ]
    made = board()
    for step, where in steps:
        made.take(step, step.at)
        assert only(made) == where
    (turn,) = made.turns.values()
    assert round(turn.lanes["stt"].work_ms) == 500
    assert turn.lanes["llm"].queue_ms == 100.0
    made.forget(NOW + 1.3 + LINGER_SECONDS + 0.1)
    assert not made.turns
    assert made.ends == {"answered": 1}


def test_the_turn_of_another_system_ends_where_a_stage_ends_it() -> None:
    """No edge tells of it: its last sentence is spoken, or a stage refuses it."""
    spoken = board(seen("tts", "started", n=3), seen("tts", "finished", NOW + 1, n=3, last=True))
    assert only(spoken) == "spoken"
    refused = board(seen("stt", "started"), seen("stt", "refused", NOW + 1))
    assert only(refused) == "refused"
    assert [failure.outcome for failure in refused.failures] == ["refused"]


def test_what_is_told_again_changes_nothing() -> None:
    """Whoever begins to watch makes services tell what is open, to everybody."""
    asked, started = seen("edge", "asked"), seen("stt", "started", NOW + 1)
    made = board(asked, started)
    assert made.knows(asked)
    assert made.knows(started)
    assert not made.knows(seen("stt", "finished", NOW + 2))
    (turn,) = made.turns.values()
    before = dict(turn.lanes["stt"].open)
    made.take(started, NOW + 3)
    assert turn.lanes["stt"].open == before


def test_what_a_turn_passed_unseen_is_not_guessed() -> None:
    """It was asked before the watch began."""
    assert only(board(seen("edge", "asked", NOW - 200))) == "under way"


def test_turns_and_workers_are_bounded() -> None:
    """Those that are over go first; the others by age."""
    made = board(*(seen("edge", "asked", turn=f"t{number}") for number in range(MOST_TURNS + 5)))
    assert len(made.turns) == MOST_TURNS
    assert next(iter(made.turns))[2] == "t5"
    made.take(seen("edge", "answered", turn="t9"), NOW)
    made.take(seen("edge", "asked", turn="late"), NOW)
    assert [key[2] for key in made.turns][:1] == ["t5"]
    for number in range(MOST_WORKERS + 5):
        made.take(Worker(str(number), "stt", f"w{number}"), NOW)
    assert len(made.workers) == MOST_WORKERS
    for _ in range(300):
        made.take(Said("web", "kitchen", "late", 0, "you", "x" * 500), NOW)
    assert len(made.turns["web", "kitchen", "late", 0].words) == 2000


def test_a_worker_that_does_not_answer_has_gone_but_not_while_the_broker_is_away() -> None:
    """And a turn that was open then is let go: it is told anew, or it ended unseen."""
    made = board(seen("edge", "asked"))
    made.take(Worker("1", "stt", "w"), NOW)
    made.take(Broker(False, "gone"), NOW + 1)
    assert made.forget(NOW + 60) == []
    assert "the broker is away for 59 s" in picture(made, NOW + 60)
    made.take(Broker(True), NOW + 61)
    assert not made.turns
    assert [worker.gone for worker in made.forget(NOW + 61 + GONE_SECONDS + 1)] == [True]
    assert "was away for 60.0 s" in picture(made)


def test_the_picture_fits_its_terminal_and_lets_nothing_move_the_cursor() -> None:
    """Names come from strangers."""
    made = board(*(seen("edge", "asked", turn=f"t{number}") for number in range(100)))
    made.take(Depths({"stt": Depth(3, 1)}, 2), NOW)
    made.take(Worker("1", "stt", "evil\x1b[2J\nname", engine="scripted", credit=2, running=1), NOW)
    drawn = picture(made, height=30)
    assert "\x1b" not in drawn
    assert len(drawn.splitlines()) <= 30
    assert "3 waiting, 1 in work" in drawn
    assert "2 dead letters" in drawn


def test_at_80_columns_no_column_vanishes() -> None:
    """Long names are cut, numbers are not."""
    made = board(seen("edge", "asked"), seen("stt", "started", NOW + 0.1, queue_ms=90.0))
    made.take(
        Worker("1", "stt", "worker-of-a-long-name-12345", engine="faster-whisper", model="base", credit=2, done=123),
        NOW,
    )
    made.take(Depths({"stt": Depth(12, 2)}, 2), NOW)
    shown = picture(made, NOW + 1, width=80)
    for word in (
        "stage",
        "queue",
        "worker",
        "runs",
        "busy",
        "done",
        "failed",
        "who",
        "turn",
        "where",
        "12 waiting",
        "123",
    ):
        assert word in shown, word
    assert max(len(line) for line in shown.splitlines()) <= 80
