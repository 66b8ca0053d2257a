"""VITS, the network of Piper's voices, cut before its vocoder: the first words are heard while the rest is made.

The vocoder is a stack of convolutions, so a sample depends on a few latent frames around it: a piece that is given
those has the very samples that the whole would have.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx as network  # beside it, `.onnx` is what runs networks
import structlog
from msgspec import Struct
from numpy.typing import NDArray
from onnx.utils import Extractor

from .onnx import Session, Stop, session

CONTEXT = 14
"""Latent frames that a sample depends on, on each side. In Piper's widest vocoder, `high`: 3 of the first layer, 1 of
that which stretches by 8, 60/8 of the kernels of 11 with steps of 1, 3 and 5 behind it, 1.8 of all that follows."""
FIRST = 32
"""Frames of the first piece, 0.37 s: it is heard after half the time of a sentence of 2 s."""
GROWTH = 4
"""How much longer each piece is than the one before, which plays meanwhile: a core makes 10 s of sound a second."""

_VOCODER = "/dec/"
"""Where Piper's own export puts the vocoder's nodes."""

Inputs = Mapping[str, NDArray[np.generic]]

log = structlog.get_logger()


class Vits(Struct, frozen=True):
    """A voice, loaded."""

    text: Session
    """Phonemes to latent frames, or, where there is no vocoder, to sound."""
    vocoder: Session | None
    """Latent frames to sound; None where the network does not look like Piper's, and is left whole."""
    latent: str = ""
    """What the vocoder calls them."""


def load(path: Path, threads: int) -> Vits:
    """Load a network and cut it. The text's half gains nothing by a second thread: 58 ms of a sentence with either."""
    model = network.load(str(path))
    latent = _latent(model.graph)
    if not latent:
        log.info("voice_uncut", path=str(path), advice="its sentences are heard when they are whole")
        return Vits(session(str(path), threads), None)
    halves = Extractor(model)
    text = halves.extract_model([each.name for each in model.graph.input], [latent])
    vocoder = halves.extract_model([latent], [each.name for each in model.graph.output])
    return Vits(session(text.SerializeToString(), 1), session(vocoder.SerializeToString(), threads), latent)


def pieces(vits: Vits, inputs: Inputs, stop: Stop) -> Iterator[tuple[NDArray[np.float32], bool]]:
    """The sound (-1..1) of a text, piece by piece, each made when it is asked for, and whether it is the last.

    *stop* ends it at once, with an error of onnxruntime.
    """
    made = vits.text.run(None, inputs, stop.options)[0]
    if vits.vocoder is None:
        yield made.ravel(), True
        return
    for start, end in cuts(made.shape[-1]):
        begin = max(0, start - CONTEXT)
        shown = made[:, :, begin : end + CONTEXT]
        sound = vits.vocoder.run(None, {vits.latent: shown}, stop.options)[0].ravel()
        frame = len(sound) // shown.shape[-1]
        yield sound[(start - begin) * frame : (end - begin) * frame], end == made.shape[-1]


def cuts(frames: int) -> Sequence[tuple[int, int]]:
    """Where pieces begin and end. None is shorter than FIRST: what is left over belongs to the last."""
    found, start, size = [], 0, FIRST
    while frames - start >= size + FIRST:
        found.append((start, start + size))
        start, size = start + size, size * GROWTH
    return [*found, (start, frames)]


def _latent(graph: network.GraphProto) -> str:
    """The one thing that the vocoder takes; empty when there is none, or more, as in a voice of many speakers."""
    vocoder = [node for node in graph.node if node.name.startswith(_VOCODER)]
    own = {name for node in vocoder for name in node.output} | {weights.name for weights in graph.initializer}
    taken = {name for node in vocoder for name in node.input} - own
    return taken.pop() if len(taken) == 1 else ""
