"""Whatever comes in: nothing crashes, nothing hangs, each gets its error, and the next good turn works."""

import secrets
from pathlib import Path
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz import environments, wavs, wires
from tests.fuzz.run import run

CASES = 1_000


def test_a_thousand_accidents_harm_nobody(tmp_path: Path) -> None:
    """Broken WAVs, settings, frames and messages, against the running processes; `make fuzz` tries ten thousand."""
    seed = secrets.randbelow(2**32)
    print(f"seed {seed}")  # noqa: T201  # with it `python -m tests.fuzz 1000 SEED` does the same again
    print(run(CASES, seed, tmp_path))  # noqa: T201


def test_raw_frames_of_every_role_keep_no_good_question_from_its_answer() -> None:
    """On the deployment's own broker; `make fuzz` sends twenty thousand."""
    seed = secrets.randbelow(2**32)
    print(wires.main(2 * CASES, seed))  # noqa: T201  # the seed does the same again


@settings(deadline=None)
@given(st.randoms(use_true_random=False))
def test_a_broken_wav_is_a_sound_or_refused(chance: Random) -> None:
    """By accidents that hypothesis chooses and makes smaller."""
    wavs.check(wavs.broken(chance))


@settings(deadline=None)
@given(st.binary(max_size=200), st.integers(0, 60))
def test_any_bytes_in_a_wav_are_a_sound_or_refused(body: bytes, place: int) -> None:
    """Put into the header of a good file."""
    good = wavs.SHORT[0]
    wavs.check(good[:place] + body + good[place + len(body) :])


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(environments.NAMES), st.text(max_size=50), max_size=4))
def test_any_text_is_a_setting_or_refused_by_name(environ: dict[str, str]) -> None:
    """As a text from the environment or a `.env` file."""
    environments.check(environ)
