"""XTTS: the real classes of coqui-tts, on a tiny model with random weights."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch  # type: ignore[import-not-found]
from numpy.typing import NDArray

from bus_schemas import Sentence, Speech, codes
from services.runtime.errors import Refused, Sick, StartError
from services.runtime.wav import Sound
from services.tts import engines
from services.tts.engines import xtts_model
from services.tts.engines.xtts import Xtts
from services.tts.engines.xtts_model import Model
from services.tts.settings import TtsSettings, concurrency
from services.tts.stage import handle
from tests.contracts.speaker import Case, Promise, every_promise
from tests.harness import wait_until
from tests.xtts import tiny

SENTENCE = "Good morning, what can I do for you today?"
MAN, WOMAN = (Path("audios", f"{name}.wav").read_bytes() for name in ("man", "woman"))


async def spoken(speaker: Xtts, text: str = SENTENCE, voice: str = "man", language: str = "en") -> list[Sound]:
    return [piece.sound async for piece in speaker.speak(text, voice, language)]


def changed(settings: TtsSettings, **values: object) -> TtsSettings:
    return msgspec.structs.replace(settings, xtts=msgspec.structs.replace(settings.xtts, **values))


@every_promise
async def test_it_keeps_the_contract_of_a_speaker(promise: Promise, speaker: Xtts) -> None:
    await promise(Case(speaker, "man", "en"))


async def test_the_first_piece_leaves_before_the_sentence_is_done(speaker: Xtts) -> None:
    """Pieces of two tokens, and the work on the last has not ended when the first is heard."""
    pieces = await spoken(speaker)
    assert 2 <= len(pieces) <= tiny.MAX_AUDIO_TOKENS // tiny.STREAM_TOKENS
    assert {piece.rate for piece in pieces} == {24_000}
    assert sum(piece.seconds for piece in pieces) == pytest.approx(0.25, abs=0.15)
    async with aclosing(speaker.speak(SENTENCE, "man", "en")) as made:
        await anext(made)
        assert speaker._idle.empty()


async def test_a_listener_who_leaves_ends_the_work_and_frees_the_model(
    speaker: Xtts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The generator is closed in the thread that ran it; no further piece is made."""
    ended: list[str] = []
    real = Model.speak

    def watched(self: Model, part: str, language: str, latents: xtts_model.Latents) -> Iterator[Sound]:
        count = 0
        try:
            for piece in real(self, part, language, latents):
                count += 1
                yield piece
        finally:
            ended.append(f"{threading.current_thread().name[:6]} {count}")

    monkeypatch.setattr(Model, "speak", watched)
    async with aclosing(speaker.speak(SENTENCE, "man", "en")) as made:
        await anext(made)
    await wait_until(lambda: not speaker._idle.empty(), "the model is idle again")
    assert ended in (["xtts_0 1"], ["xtts_0 2"])


async def test_a_long_text_is_cut_to_the_limits_of_its_language(speaker: Xtts) -> None:
    """Portuguese has 203 characters; what numbers become counts as tokens."""
    model = speaker._models[0]
    text = "Ontem de manhã, quando o sol já ia alto, a minha irmã foi ao mercado comprar três maçãs verdes; " * 5
    parts = model.parts(text, "pt")
    assert [len(part) <= 203 for part in parts] == [True] * len(parts)
    assert "".join(parts).replace(" ", "") == text.replace(" ", "")
    assert all(part[-1] in ",;" for part in parts)
    for language in sorted(model.languages):
        for part in model.parts("7" * 200 + " 12 e 3º", language):
            assert len(model._encode(part, language)) < model._xtts.args.gpt_max_text_tokens


async def test_every_language_that_it_names_is_spoken_with_its_numbers(speaker: Xtts) -> None:
    """The rest, such as Japanese without its packages, are refused by name and not found out in a crash."""
    languages = speaker._languages
    assert {"en", "pt", "es", "fr", "de", "it", "pl", "tr", "ru", "nl", "cs", "ar", "hu", "ko", "hi"} <= languages
    for language in ("pt-BR", "hi", "ar"):
        assert await spoken(speaker, "12, 7.5 x", language=language)
    for language in {"ja", "zh"} - languages:
        with pytest.raises(Refused, match="only ar, cs") as refused:
            await spoken(speaker, language=language)
        assert refused.value.code == codes.LANGUAGE


def two_voices(folder: Path) -> None:
    """The man with a second recording, and a copy of him."""
    entry = 'file = "{0}.wav"\nmore_files = ["more.wav"]\nlanguage = "en"\nlicence = "x"\nsource = "x"\n'
    for name in ("man", "copy"):
        (folder / f"{name}.wav").write_bytes(MAN)
    (folder / "more.wav").write_bytes(WOMAN)
    (folder / "voices.toml").write_text("".join(f"[{name}]\n{entry.format(name)}" for name in ("man", "copy")))


async def test_a_voice_is_listened_to_once_and_again_when_its_recording_changes(
    settings: TtsSettings, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What counts is the content: a copy under another name costs nothing."""
    await asyncio.to_thread(two_voices, tmp_path)
    heard: list[int] = []
    real = Model.listen

    def counted(self: Model, sounds: tuple[NDArray[np.float32], ...]) -> xtts_model.Latents:
        heard.append(len(sounds))
        return real(self, sounds)

    monkeypatch.setattr(Model, "listen", counted)
    speaker = await asyncio.to_thread(engines.load, msgspec.structs.replace(settings, voices_dir=str(tmp_path)))
    assert isinstance(speaker, Xtts)
    await spoken(speaker)
    await spoken(speaker, voice="copy")
    assert heard == [2]
    await asyncio.to_thread((tmp_path / "more.wav").write_bytes, MAN)
    await spoken(speaker)
    assert heard == [2, 2]
    await asyncio.to_thread((tmp_path / "man.wav").write_bytes, b"no WAV at all")
    with pytest.raises(Refused, match=r"'man' cannot be imitated now: .*man\.wav") as refused:
        await spoken(speaker)
    assert refused.value.code == codes.VOICE
    await speaker.close()


async def test_two_models_speak_two_sentences_at_once(settings: TtsSettings) -> None:
    """And the worker takes as many, not more."""
    wanted = changed(settings, xtts_instances=2)
    assert (concurrency(wanted), concurrency(settings)) == (2, 1)
    speaker = await asyncio.to_thread(engines.load, wanted)
    async with (
        aclosing(speaker.speak(SENTENCE, "man", "en")) as one,
        aclosing(speaker.speak(SENTENCE, "woman", "en")) as two,
    ):
        await asyncio.gather(anext(one), anext(two))
    await speaker.close()


async def test_a_closed_engine_ends_what_it_speaks(settings: TtsSettings) -> None:
    """Within a piece, and its thread is gone."""
    speaker = await asyncio.to_thread(engines.load, settings)
    assert isinstance(speaker, Xtts)
    async with aclosing(speaker.speak(SENTENCE * 5, "man", "en")) as made:
        await anext(made)
        async with asyncio.timeout(20):
            await speaker.close()
    assert not [thread for thread in threading.enumerate() if thread in speaker._threads._threads]


@pytest.mark.parametrize("error", [torch.cuda.OutOfMemoryError("CUDA out of memory"), RuntimeError("cuBLAS failed")])
async def test_an_error_of_the_gpu_makes_the_process_sick_and_another_does_not(
    speaker: Xtts, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """A CUDA context is not to be trusted after an error."""

    def fail(*_: object, **__: object) -> Iterator[torch.Tensor]:
        raise error
        yield

    monkeypatch.setattr(speaker._models[0]._xtts, "inference_stream", fail)
    with pytest.raises(Sick, match="the GPU failed"):
        await spoken(speaker)
    error = ValueError("something else")
    with pytest.raises(ValueError, match="something else"):
        await spoken(speaker)
    monkeypatch.undo()
    assert await spoken(speaker)


async def test_the_stage_publishes_each_piece_as_it_comes(speaker: Xtts) -> None:
    """The sentence of a turn, through tts's own handler."""
    out: list[Speech] = [
        speech async for speech in handle(Sentence(n=0, text=SENTENCE), speaker=speaker, default_voice="woman")
    ]
    assert len(out) >= 2
    assert [speech.end for speech in out] == [False] * (len(out) - 1) + [True]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU: nothing is missing")
def test_a_gpu_that_is_not_there_is_one_clear_sentence(settings: TtsSettings) -> None:
    with pytest.raises(StartError, match=r"XTTS_DEVICE is cuda and torch sees no GPU: .* XTTS_DEVICE=cpu"):
        engines.load(changed(settings, xtts_device="cuda"))


def test_a_folder_that_is_no_model_is_one_clear_sentence(settings: TtsSettings, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"is no XTTS model: config\.json, model\.pth, vocab\.json not there"):
        engines.load(changed(settings, xtts_model=str(tmp_path)))
    for name in xtts_model.FILES:
        (tmp_path / name).write_bytes((folder / name).read_bytes() if name != "model.pth" else b"damaged")
    with pytest.raises(StartError, match=r"cannot be loaded \(.*fetch its files again"):
        engines.load(changed(settings, xtts_model=str(tmp_path)))


def test_a_model_that_cannot_be_downloaded_is_one_clear_sentence(
    settings: TtsSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TTS_HOME", str(tmp_path))
    with pytest.raises(StartError, match=r"XTTS_MODEL=no/such/model/here is no folder here, .* set XTTS_MODEL"):
        engines.load(changed(settings, xtts_model="no/such/model/here"))
