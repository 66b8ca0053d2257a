"""Real speech made from text, and how well it was heard."""

import asyncio
from collections.abc import Sequence

import numpy as np

from services.cli import word_errors
from services.runtime import wav
from services.runtime.wav import Sound
from services.tts import engines
from services.tts.settings import TtsSettings

ENGLISH = (
    "The weather in London is cold and rainy today.",
    "Please turn off the lights in the kitchen before you leave.",
    "The train to the airport leaves at seven in the morning.",
    "My grandmother bakes the best apple pie in the village.",
    "Can you tell me how far it is to the nearest hospital?",
    "The children are playing football behind the school.",
    "I would like a table for two near the window.",
    "The library closes early on Saturday afternoon.",
    "We need milk, bread and a dozen eggs from the market.",
    "The meeting was moved to Thursday because of the holiday.",
    "She has been learning to play the piano for three years.",
    "Remind me to call my brother after dinner.",
    "The museum has a new exhibition about ancient Egypt.",
    "How long does it take to walk across the bridge?",
    "The doctor said that you should drink more water.",
    "They painted the old wooden door a bright shade of blue.",
)
PORTUGUESE = (
    "Bom dia, como você está hoje?",
    "A biblioteca fica perto da praça central.",
    "Eu gostaria de um copo de água, por favor.",
    "O trem para a cidade sai às oito da manhã.",
    "As crianças estão brincando no jardim da escola.",
    "Minha mãe trabalha em um hospital muito grande.",
    "Ontem choveu muito e a rua ficou cheia de água.",
    "Nós vamos viajar para a praia no fim de semana.",
)
REPLIES = (
    "The capital of France is Paris, a city on the river Seine.",
    "Water boils at a lower temperature on a high mountain.",
    "You should keep the bread in a dry and dark place.",
    "The moon takes about a month to travel around the earth.",
    "Most birds fly south before the winter begins.",
    "A good night of sleep helps you to remember what you learned.",
    "The shop around the corner sells fresh fruit and vegetables.",
    "Your appointment is on Monday afternoon at the city hospital.",
)


def error_rate(said: Sequence[str], heard: Sequence[str]) -> float:
    """Word error rate of all sentences together."""
    found = word_errors.rate(said, heard)
    assert found is not None
    return found


def record(texts: Sequence[str], language: str) -> list[bytes]:
    """Each text as a WAV file, spoken by the embedded voice of *language*."""
    return asyncio.run(_record(texts, language))


async def _record(texts: Sequence[str], language: str) -> list[bytes]:
    speaker = await asyncio.to_thread(engines.load, TtsSettings())
    try:
        recorded = []
        for text in texts:
            pieces = [piece.sound async for piece in speaker.speak(text, "man", language)]
            samples = np.concatenate([piece.samples for piece in pieces])
            recorded.append(wav.write(Sound(samples, pieces[0].rate)))
        return recorded
    finally:
        await speaker.close()
