"""What makes an edge unready: whatever keeps a turn from being answered, and nothing else."""

import pytest
from nats.js.api import StreamInfo

from services.runtime import streams
from services.runtime.bus import Bus


async def standing(bus: Bus) -> dict[str, StreamInfo]:
    return await streams.standing(bus.jetstream)


async def test_with_every_stream_as_the_table_has_it_nothing_is_wrong(bus: Bus) -> None:
    assert streams.faults(await standing(bus)) == []


async def test_without_dead_letters_turns_are_answered_all_the_same(bus: Bus) -> None:
    await bus.jetstream.delete_stream(streams.DEAD)
    assert streams.faults(await standing(bus)) == []


@pytest.mark.parametrize("name", [streams.UTTERANCE, streams.SENTENCE, streams.ANSWER, f"KV_{streams.MEMORY}"])
async def test_a_stream_that_a_turn_needs_is_missed_by_its_name(bus: Bus, name: str) -> None:
    await bus.jetstream.delete_stream(name)
    assert streams.faults(await standing(bus)) == [f"{name} not there; run `voicebus setup`"]


async def test_a_sealed_stream_takes_nothing(bus: Bus) -> None:
    config = (await bus.jetstream.stream_info(streams.ANSWER)).config
    await bus.jetstream.update_stream(config.evolve(sealed=True))
    (fault,) = streams.faults(await standing(bus))
    assert "VOICE_ANSWER is sealed" in fault


async def test_a_stream_whose_subjects_were_changed_is_told_with_what_it_no_longer_takes(bus: Bus) -> None:
    config = (await bus.jetstream.stream_info(streams.ANSWER)).config
    await bus.jetstream.update_stream(config.evolve(subjects=["voice.speech.*.*"]))
    (fault,) = streams.faults(await standing(bus))
    assert "VOICE_ANSWER does not take voice.failed.*.*" in fault
