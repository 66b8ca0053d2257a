"""The stt stage: an utterance in, a transcript out, without a broker."""

import asyncio
import time

import ctranslate2  # type: ignore[import-untyped]
import numpy as np
import pytest

from bus_schemas import Event, Heard, Speech, Transcript, Utterance, codes
from services.runtime import settings as runtime_settings
from services.runtime import wav
from services.runtime.errors import Refused, SettingsError, StartError
from services.runtime.wav import Sound, WavLimits
from services.stt import engines, settings
from services.stt.engines import Transcriber
from services.stt.settings import SttSettings
from services.stt.stage import handle
from tests.stt.wavs import FORMS, WRONG, pcm16

SAID = "What is the capital of France?"
SILENCE = wav.write(Sound(np.zeros(16_000, np.int16), 16_000))


@pytest.fixture
def transcriber() -> Transcriber:
    return engines.load(SttSettings(stt_engine="scripted", scripted_transcript=SAID))


async def heard(utterance: Utterance, transcriber: Transcriber, limits: WavLimits | None = None) -> list[Event]:
    return [event async for event in handle(utterance, transcriber=transcriber, limits=limits or WavLimits())]


@pytest.mark.parametrize("form", FORMS)
async def test_every_real_form_of_wav_is_heard(form: str, transcriber: Transcriber) -> None:
    """An outsider's WAV meets no edge: stt reads every form itself, and tells how long it was."""
    (transcript,) = await heard(Utterance(wav=FORMS[form]), transcriber)
    assert isinstance(transcript, Transcript)
    assert transcript.text == SAID
    assert transcript.seconds == pytest.approx(1.0, abs=0.001)


@pytest.mark.parametrize("code", WRONG)
async def test_every_wrong_wav_is_refused_with_its_own_code_and_a_sentence(code: str, transcriber: Transcriber) -> None:
    """The sender learns what is wrong, and the message is never tried again."""
    with pytest.raises(Refused) as refused:
        await heard(Utterance(wav=WRONG[code]), transcriber)
    assert refused.value.code == code
    assert refused.value.message.endswith(".")


async def test_no_bytes_at_all_are_an_empty_utterance(transcriber: Transcriber) -> None:
    """`nats pub` without a file is told so."""
    with pytest.raises(Refused) as refused:
        await heard(Utterance(wav=b""), transcriber)
    assert refused.value.code == codes.EMPTY


async def test_a_wav_over_the_byte_limit_is_too_large(transcriber: Transcriber) -> None:
    """It is refused by its size alone, before it is read."""
    with pytest.raises(Refused) as refused:
        await heard(Utterance(wav=pcm16(2.0)), transcriber, WavLimits(max_bytes=40_000))
    assert refused.value.code == codes.TOO_LARGE


async def test_the_limit_on_seconds_is_a_setting(transcriber: Transcriber) -> None:
    """What is longer than the deployment takes is refused."""
    with pytest.raises(Refused) as refused:
        await heard(Utterance(wav=pcm16(3.0)), transcriber, WavLimits(max_seconds=2.0))
    assert refused.value.code == codes.TOO_LONG


async def test_silence_is_a_result_and_ends_the_turn(transcriber: Transcriber) -> None:
    """Nobody spoke: one empty speech that is complete by itself, and no transcript to trouble llm with."""
    (speech,) = await heard(Utterance(wav=SILENCE), transcriber)
    assert isinstance(speech, Speech)
    assert (speech.n, speech.piece, speech.end, speech.last, speech.wav) == (0, 0, True, True, b"")
    assert speech.attempt
    assert speech.take


async def test_each_run_over_silence_has_a_name_of_its_own(transcriber: Transcriber) -> None:
    """Two runs are never taken for one."""
    (first,), (second,) = [await heard(Utterance(wav=SILENCE), transcriber) for _ in range(2)]
    assert first.attempt != second.attempt


@pytest.mark.parametrize("written", ["pt", "PT", "pt-BR", "pt_PT", " pt "])
async def test_a_language_is_understood_as_people_write_it(written: str, transcriber: Transcriber) -> None:
    """The transcript carries the plain code."""
    (transcript,) = await heard(Utterance(wav=pcm16(), language=written), transcriber)
    assert transcript.language == "pt"


@pytest.mark.parametrize("language", ["xx", "klingon", "-"])
async def test_a_language_that_nobody_knows_is_refused(language: str, transcriber: Transcriber) -> None:
    """It is told, not guessed."""
    with pytest.raises(Refused) as refused:
        await heard(Utterance(wav=pcm16(), language=language), transcriber)
    assert refused.value.code == codes.LANGUAGE


async def test_what_was_heard_of_an_interrupted_answer_travels_on(transcriber: Transcriber) -> None:
    """llm reads it from the transcript."""
    cut = Heard(turn="t1", sentences=2)
    (transcript,) = await heard(Utterance(wav=pcm16(), heard=cut), transcriber)
    assert isinstance(transcript, Transcript)
    assert transcript.heard == cut


async def test_the_scripted_transcriber_takes_the_time_that_is_set() -> None:
    """A bench can make stt as slow as it likes, and two utterances are worked side by side."""
    slow = engines.load(SttSettings(stt_engine="scripted", scripted_stt_ms=1000))
    start = time.monotonic()
    await asyncio.gather(heard(Utterance(wav=pcm16()), slow), heard(Utterance(wav=pcm16()), slow))
    assert 1.0 <= time.monotonic() - start < 1.9


def test_the_engine_in_force_says_why() -> None:
    """`voicebus config` prints both."""
    assert settings.engine(SttSettings()) == ("faster-whisper", "STT_ENGINE is unset")
    assert settings.engine(SttSettings(stt_engine="scripted")) == ("scripted", "STT_ENGINE=scripted")


async def test_a_model_that_is_not_there_is_one_clear_sentence() -> None:
    """A mistyped folder says what to do instead of a traceback."""
    wanted = SttSettings(whisper=settings.WhisperSettings(whisper_model="./no/such/model"))
    with pytest.raises(StartError, match=r"'\./no/such/model' cannot be loaded .*: set WHISPER_MODEL to"):
        await asyncio.to_thread(engines.load, wanted)


async def test_a_compute_type_that_there_is_not_names_its_setting() -> None:
    """The model is not blamed for it."""
    wanted = SttSettings(whisper=settings.WhisperSettings(whisper_compute_type="int9"))
    with pytest.raises(StartError, match="WHISPER_COMPUTE_TYPE does not suit this machine"):
        await asyncio.to_thread(engines.load, wanted)


def test_languages_that_are_none_are_told_with_every_other_bad_setting() -> None:
    """A service does not load a model first."""
    with pytest.raises(SettingsError, match="WHISPER_LANGUAGES"):
        runtime_settings.load(SttSettings, {"WHISPER_LANGUAGES": "english"})


async def test_a_process_holds_what_it_works_on_at_once_and_no_more() -> None:
    """On a CPU, also one that `auto` chose, each pass is of one window: what waits is left to others."""
    speakers = [settings.WhisperSettings(whisper_batch=batch) for batch in (0, 3)]
    if not ctranslate2.get_cuda_device_count():
        speakers.append(settings.WhisperSettings(whisper_device="auto"))
    wanted = [SttSettings(stt_concurrency=2, whisper=whisper) for whisper in speakers]
    wanted.append(SttSettings(stt_concurrency=2, whisper=speakers[1], stt_engine="scripted"))
    held = []
    for each in wanted:
        transcriber = await asyncio.to_thread(engines.load, each)
        held.append(transcriber.at_once)
        await transcriber.close()
    assert held == [2, 6, *([2] * (len(speakers) - 2)), 2]
