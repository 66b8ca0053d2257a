"""Who is over its share of the line, and how many turns begin before the next one of an origin."""

from services.runtime import shares
from services.runtime.shares import Backlog

BURST = 16


def flooding(full: float = 0.0, before: str = "", held: dict[str, int] | None = None, **turns: int) -> set[str]:
    """The origins of a line that are over their share."""
    return set(shares.flooding(Backlog(turns, full), held or {}, BURST, frozenset(before.split())))


def test_who_has_a_burst_and_more_than_the_others_floods_while_another_waits() -> None:
    assert flooding(a=500, b=5) == {"a"}
    assert flooding(a=500, b=500, c=5) == {"a", "b"}
    assert flooding(a=17, b=1) == {"a"}


def test_nobody_floods_alone_in_a_short_line_or_beside_its_like() -> None:
    assert flooding(a=700) == set()
    assert flooding(a=16, b=1) == set()
    assert flooding(a=300, b=300) == set()
    assert flooding() == set()


def test_who_is_worked_on_already_does_not_wait() -> None:
    assert flooding(a=500, b=2, held={"b": 2}) == set()
    assert flooding(a=500, b=3, held={"b": 2}) == {"a"}


def test_a_flood_is_over_when_it_has_less_than_half_of_what_another_has() -> None:
    assert flooding(before="a", a=6, b=5) == {"a"}
    assert flooding(before="a", a=2, b=5) == set()
    assert flooding(before="a", a=170, b=300, c=5) == {"a", "b"}


def test_a_stream_that_is_nearly_full_is_a_flood_of_who_has_most_of_it() -> None:
    assert flooding(full=0.76, a=700) == {"a"}
    assert flooding(full=0.76, a=700, b=20) == {"a"}
    assert flooding(full=0.74, a=700) == set()
    assert flooding(full=0.9, a=16) == set()


def test_a_flood_of_another_lengthens_nobodys_line_by_more_than_a_burst() -> None:
    line = Backlog({"a": 500, "b": 5})
    assert shares.ahead(line, "b", BURST) == 5 + 16
    assert shares.ahead(line, "a", BURST) == 500 + 5
    assert shares.ahead(line, "new", BURST) == 16 + 5
