"""The streams: one table, made once, never changed behind anybody's back."""

from services.runtime import streams
from services.runtime.bus import Bus
from services.runtime.streams import StreamSettings


async def test_setting_up_twice_changes_nothing_and_tells_nothing(bus: Bus) -> None:
    settings = StreamSettings(ack_wait=1.0)
    before = [info.config for info in await bus.jetstream.streams_info()]

    assert await streams.setup(bus.jetstream, settings) == []
    assert [info.config for info in await bus.jetstream.streams_info()] == before


async def test_what_stands_differently_is_told_and_left_as_it_is(bus: Bus) -> None:
    told = await streams.setup(bus.jetstream, StreamSettings(stream_utterances=7, ack_wait=3.0, memory_seconds=60.0))

    assert "VOICE_UTTERANCE: max_msgs is 1000, the table says 7" in told
    assert "VOICE_UTTERANCE/stt: ack_wait is 1.0, the table says 3.0" in told
    assert "voice_memory: ttl is 3600.0, the table says 60.0" in told
    assert (await bus.jetstream.stream_info("VOICE_UTTERANCE")).config.max_msgs == 1000


async def test_a_missing_stream_is_made_beside_those_that_stand(bus: Bus) -> None:
    await bus.jetstream.delete_stream("VOICE_SENTENCE")

    assert await streams.setup(bus.jetstream, StreamSettings(ack_wait=1.0)) == []
    assert (await bus.jetstream.consumer_info("VOICE_SENTENCE", "tts")).config.max_deliver == -1


async def test_only_utterances_are_turned_away_and_every_stream_is_on_disk() -> None:
    table = {str(config.name): config for config in streams.table(StreamSettings())}

    assert [name for name, config in table.items() if config.max_msgs not in (None, -1)] == ["VOICE_UTTERANCE"]
    assert {config.storage for config in table.values()} == {"file"}
