"""What the deployment hears and speaks, as its workers said it lately: voices and languages that can be asked for."""

import contextlib
import difflib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager

import msgspec
from msgspec import Struct
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from bus_schemas import codes
from services.runtime import offers
from services.runtime.bus import Bus
from services.runtime.errors import Refused
from services.runtime.offers import Offer

from .turn import Wishes

KEEP_SECONDS = 300.0
"""So long after a worker told it last, an offer stands: its restart, and the loading of its model, refuse nobody."""
MOST_OFFERS = 100
"""Different ones at once; then the oldest is forgotten."""
HEARS, SPEAKS = "stt", "tts"


class About(Struct, frozen=True):
    """What `/about` answers. None of either is not known: then every one is let in, and the stage itself refuses."""

    voices: tuple[str, ...] | None
    """What `?voice=` may name."""
    languages: tuple[str, ...] | None
    """What `?language=` may name: somebody hears it, and somebody speaks it."""


class Repertoire:
    """The offers of all workers together. *clock* gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.told: dict[tuple[str, Offer], float] = {}
        """What each stage offers, and when it was told last, the oldest first."""

    def take(self, stage: str, offer: Offer) -> None:
        """A worker of *stage* says what it has."""
        self.told.pop((stage, offer), None)
        self.told[stage, offer] = self._clock()
        if len(self.told) > MOST_OFFERS:
            del self.told[next(iter(self.told))]

    @property
    def about(self) -> About:
        """What can be asked for now."""
        heard, spoken = self._languages(HEARS), self._languages(SPEAKS)
        both = heard if spoken is None else spoken if heard is None else tuple(name for name in spoken if name in heard)
        return About(_union(offer.voices for offer in self._offers(SPEAKS)), both)

    def check(self, wishes: Wishes) -> None:
        """Raises: Refused with VOICE or LANGUAGE for what nobody here has."""
        voice, language, about = wishes.voice, wishes.language, self.about
        if voice and about.voices is not None and voice not in about.voices:
            raise Refused(codes.VOICE, f"There is no voice {voice!r} here; {_rest(voice, about.voices)}")
        if language and about.languages is not None and language not in about.languages:
            rest = _rest(language, about.languages)
            raise Refused(codes.LANGUAGE, f"The language {language!r} is not both heard and spoken here; {rest}")

    @asynccontextmanager
    async def heard(self, bus: Bus) -> AsyncIterator[None]:
        """Listen to the workers for as long as this lasts."""
        subscription = await bus.client.subscribe(offers.EVERY, cb=self._on_offer)
        try:
            yield
        finally:
            with contextlib.suppress(NatsError, ConnectionError):
                await subscription.unsubscribe()

    async def _on_offer(self, message: Msg) -> None:
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
            self.take(message.subject.partition(".")[2], msgspec.json.decode(message.data, type=Offer))

    def _languages(self, stage: str) -> tuple[str, ...] | None:
        return _union(offer.languages for offer in self._offers(stage))

    def _offers(self, stage: str) -> list[Offer]:
        since = self._clock() - KEEP_SECONDS
        return [offer for (of, offer), at in self.told.items() if of == stage and at >= since]


def likely(name: str, names: Iterable[str]) -> str:
    """A question for what somebody may have meant; empty where nothing is like it."""
    known = {one.lower(): one for one in names}
    found = difflib.get_close_matches(name.lower(), known, n=1)
    return f" Did you mean {known[found[0]]}?" if found else ""


def _rest(name: str, names: Sequence[str]) -> str:
    return f"there are: {', '.join(names) or 'none'}.{likely(name, names)}"


def _union(parts: Iterable[tuple[str, ...]]) -> tuple[str, ...] | None:
    """Each name once; None where nobody told any, or somebody rules none out."""
    told = list(parts)
    if not told or not all(told):
        return None
    return tuple(sorted({name for names in told for name in names}))
