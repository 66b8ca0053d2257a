"""What kills its workers, and workers that are broken, cost nobody else an answer."""

import asyncio

import pytest
from websockets.asyncio.client import connect

from bus_schemas import Dead, codes
from services.edge.server import Edge
from services.edge.settings import EdgeSettings
from services.runtime import dead, requeue
from services.runtime.bus import Bus, BusSettings
from services.runtime.dead import Letter, Wanted
from tests.edge.asking import answering, edge, length, receive, refused, tone, two_sentences
from tests.edge.poisoned import POISON_SECONDS, SICK, kept_running
from tests.harness import listening, wait_until

BATCH = 8


async def ask(server: Edge, seconds: float) -> str:
    """Ask on a socket of its own; what the stage heard, or the code of the error."""
    async with connect(f"ws://127.0.0.1:{server.port}/ws") as client:
        await client.send(tone(seconds))
        if seconds == POISON_SECONDS:
            return await refused(client, 50)
        return str((await receive(client, 50)).text["transcription"])


async def letters(bus: Bus) -> list[Letter]:
    return [await dead.letter(bus, letter.number) async for letter in dead.letters(bus, Wanted())]


@pytest.mark.timeout(120)
async def test_of_a_batch_with_one_poison_wav_all_others_are_answered(bus: Bus, bus_settings: BusSettings) -> None:
    """It kills each worker, with what else that one held; it alone is a dead letter, and its client is told."""
    lengths = [0.5 + 0.01 * number for number in range(BATCH - 1)] + [POISON_SECONDS]
    async with (
        edge(bus_settings, EdgeSettings()) as (server, _),
        kept_running(bus_settings.nats_url, MAX_DELIVERIES=2, STT_CONCURRENCY=4) as ended,
    ):
        got = await asyncio.gather(*(ask(server, seconds) for seconds in lengths))

    assert got == [*(f"{seconds:g} s" for seconds in lengths[:-1]), codes.CRASHED]
    assert set(ended) == {9}
    (letter,) = await letters(bus)
    assert length(letter.dead.body) == (16_000, POISON_SECONDS)
    assert (letter.dead.stage, letter.dead.deliveries) == ("stt", 3)
    assert "never finished" in letter.dead.reason

    async with answering(bus, two_sentences), listening(bus, "voice.speech.>") as spoken:
        event = requeue.again(letter, bus.time())
        await requeue.requeue(bus, letter, requeue.written(letter, event))
        await wait_until(lambda: len(spoken) == 2, "a worker that it does not kill answers it")
    assert {(event.turn, event.run) for event in spoken} == {(letter.dead.turn, 1)}


@pytest.mark.timeout(120)
async def test_a_worker_whose_engine_is_broken_does_not_eat_the_queue(bus: Bus, bus_settings: BusSettings) -> None:
    """Started again and again, beside a healthy one: every turn is answered, none is a dead letter."""
    lengths = [0.5 + 0.01 * number for number in range(BATCH)]
    url = bus_settings.nats_url
    async with (
        edge(bus_settings, EdgeSettings()) as (server, _),
        listening(bus, "voice.dead.>") as given_up,
        kept_running(url, **{SICK: 1}) as sick,
    ):
        asked = [asyncio.create_task(ask(server, seconds)) for seconds in lengths]
        await wait_until(lambda: bool(sick), "the sick worker has had a turn")
        async with kept_running(url):
            got = await asyncio.gather(*asked)

    assert got == [f"{seconds:g} s" for seconds in lengths]
    assert set(sick) == {1}
    assert [event for event in given_up if isinstance(event, Dead)] == []
