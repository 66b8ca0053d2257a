"""What an address may wish for, and which names of sessions are taken as given."""

import pytest

from bus_schemas import codes
from services.edge import handshake
from services.edge.settings import EdgeSettings
from services.edge.turn import Wishes
from services.runtime.errors import Refused

OURS = "0123456789abcdef0123456789abcdef"


def test_all_wishes_are_read() -> None:
    """Session, voice, language and seconds."""
    address = "/ws?session=kitchen_1&voice=man&language=pt-BR&timeout=2.5"

    assert handshake.wishes(address, EdgeSettings()) == Wishes("web", "kitchen_1", "man", "pt", 2500)


def test_a_client_that_can_come_back_says_so_and_one_that_came_back_names_its_turn() -> None:
    """Both are for the client to ask; a turn alone, without its session, is a mistake."""
    wishes = handshake.wishes("/ws?session=s&turns=1&resume=0193f0a1b2c-9f8e7d6c5b", EdgeSettings())

    assert (wishes.session, wishes.turns, wishes.resume) == ("s", True, "0193f0a1b2c-9f8e7d6c5b")
    assert wishes.turns
    assert not handshake.wishes("/ws?turns=0", EdgeSettings()).turns


def test_without_wishes_the_edge_names_the_session() -> None:
    """128 random bits, the default time, and the rest is left to the deployment."""
    one, two = (handshake.wishes("/ws?voice=", EdgeSettings(turn_seconds=7)) for _ in range(2))

    assert (one.voice, one.language, one.timeout_ms) == ("", "", 7000)
    assert len(one.session) == 32
    assert one.session != two.session


@pytest.mark.parametrize(
    ("host", "name", "taken"),
    [
        ("127.0.0.1", "kitchen", True),
        ("::1", "kitchen", True),
        ("localhost", "kitchen", True),
        ("0.0.0.0", "kitchen", False),
        ("10.0.0.7", "kitchen", False),
        ("0.0.0.0", OURS, True),
        ("0.0.0.0", OURS.upper(), False),
        ("0.0.0.0", OURS + "0", False),
    ],
)
def test_a_guessable_name_is_taken_only_on_loopback(host: str, name: str, taken: bool) -> None:
    """Elsewhere a client comes back only to a name that an edge made."""
    session = handshake.wishes(f"/ws?session={name}", EdgeSettings(host=host)).session

    assert (session == name) is taken


@pytest.mark.parametrize("path", ["/", "/ws/", "/wss", "/ws/../ws", "/WS", "//ws"])
def test_another_path_is_unknown(path: str) -> None:
    """There is one WebSocket."""
    with pytest.raises(Refused) as caught:
        handshake.wishes(path, EdgeSettings())

    assert caught.value.code == codes.UNKNOWN_PATH


@pytest.mark.parametrize(
    "query",
    [
        "session=a.b",
        "session=*",
        "session=" + "a" * 65,
        "session=a&session=b",
        "session=a%0A",
        "voice=%00",
        "voice=" + "v" * 65,
        "language=english",
        "language=p",
        "language=pt%0A",
        "resume=t",
        "resume=a.b&session=s",
        "timeout=0",
        "timeout=-1",
        "timeout=nan",
        "timeout=inf",
        "timeout=601",
        "timeout=soon",
        "client=7",
        "voise=man",
        "langauge=",
        "Voice=man",
        "=man",
    ],
)
def test_a_bad_parameter_is_named(query: str) -> None:
    """With what is allowed."""
    with pytest.raises(Refused) as caught:
        handshake.wishes(f"/ws?{query}", EdgeSettings())

    assert caught.value.code == codes.BAD_PARAMETER
    assert f"?{query.partition('=')[0]}=" in caught.value.message


@pytest.mark.parametrize(("name", "meant"), [("voise", "voice"), ("Language", "language"), ("time_out", "timeout")])
def test_an_unknown_parameter_is_told_with_what_was_likely_meant(name: str, meant: str) -> None:
    """And with all that there are; a wish that is misspelt is not dropped in silence."""
    with pytest.raises(Refused, match=rf"there are: session, voice, .*\. Did you mean {meant}\?"):
        handshake.wishes(f"/ws?{name}=x", EdgeSettings())
