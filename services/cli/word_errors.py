"""Word error rate: how much of what was said a transcriber heard as something else."""

import re
from collections.abc import Sequence

from services.runtime.errors import StartError


def words(text: str) -> str:
    """The text as its words, without case and punctuation."""
    return " ".join(re.sub(r"[^\w\s]", " ", text.lower()).split())


def rate(said: Sequence[str], heard: Sequence[str]) -> float | None:
    """Of all texts together: words left out, put in or changed, over the words said; None when nothing was said.

    Raises: StartError where jiwer is not installed.
    """
    try:
        import jiwer
    except ImportError as error:
        raise StartError("the package jiwer is not installed; in a clone: make extra NAME=replay") from error
    pairs = [(words(one), words(other)) for one, other in zip(said, heard, strict=True)]
    spoken = [pair for pair in pairs if pair[0]]
    if not spoken:
        return None
    return float(jiwer.wer([one for one, _ in spoken], [other for _, other in spoken]))
