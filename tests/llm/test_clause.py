"""The first piece of a reply may be a clause, so that it is heard early; no other, and none that sounds cut off."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.llm import sentences
from services.llm.sentences import LIMIT, clause, thoughts
from tests.llm.test_sentences import ANY_TEXT, arrive, chunked

CUT = [
    ("Yes, of course I can help you, and gladly.", "Yes, of course I can help you,"),
    ("A capital da França é Paris, uma cidade linda.", "A capital da França é Paris,"),
    ("Here are the steps: first boil the water.", "Here are the steps:"),
    ("The moon is far away — nobody walks there.", "The moon is far away —"),
    ("Birds fly south in winter; they like it warm.", "Birds fly south in winter;"),
    ("Custa 1.000,50 euros por 3,5 kg, mas vale a pena.", "Custa 1.000,50 euros por 3,5 kg,"),
    ("It closes at 10:30 p.m. today, so be early.", "It closes at 10:30 p.m. today,"),
    ("Dr. Silva and his team agree, as you know.", "Dr. Silva and his team agree,"),
    ("He said “I know, of course”, and he left.", "He said “I know, of course”,"),
    ("The sky appears blue in the daytime because the air scatters light.", "The sky appears blue in the daytime"),
    ("O Brasil é um país muito grande mas a capital é nova.", "O Brasil é um país muito grande"),
]
WHOLE = [
    "Yes, I do.",
    "Well, yes, I do.",
    "Thank you so very much, Maria.",
    "The colours are red, yellow, and blue.",
    "As cores de hoje são azul, verde, e amarelo.",
    "The numbers are 10, 20, 30 here.",
    "There are many fruits, e.g., apples.",
    "He said (as ever, very softly) no.",
    "He said “well I know, of course” twice.",
    "He wrote (in a letter, as ever, to her) no.",
    "It costs 1,000.50 or 3,5 at 10:30.",
    "I stayed because it rained.",
]


@pytest.mark.parametrize(("text", "first"), CUT)
def test_a_first_sentence_is_cut_where_a_speaker_pauses(text: str, first: str) -> None:
    assert [piece.text for piece in sentences.split(text, end=True)[0]] == [first, text.removeprefix(first).strip()]


@pytest.mark.parametrize("text", WHOLE)
def test_a_first_sentence_stays_whole_where_a_cut_would_sound_wrong(text: str) -> None:
    assert [piece.text for piece in sentences.split(text, end=True)[0]] == [text]


@pytest.mark.parametrize("text", [text for text, _ in CUT])
def test_only_the_first_piece_is_a_clause(text: str) -> None:
    assert [piece.text for piece in sentences.split(f"Oh! {text}", end=True)[0]] == ["Oh!", text]


def test_a_clause_leaves_one_word_after_its_mark() -> None:
    assert sentences.split("Of course I can help,")[0] == []
    assert sentences.split("Of course I can help, and")[0] == []
    assert [piece.text for piece in sentences.split("Of course I can help, and ")[0]] == ["Of course I can help,"]


async def test_one_piece_at_most_is_a_whole_sentence() -> None:
    """LLM_MAX_SENTENCES=1 is answered with a sentence, not with its first words."""
    assert [piece.text for piece in await arrive(["I can help, of course. Now."], most=1)] == ["I can help, of course."]


@given(ANY_TEXT, st.integers(0, 6))
async def test_what_was_heard_is_what_was_spoken(text: str, heard: int) -> None:
    """The memory cuts a reply where the speech was cut."""
    pieces = await arrive([text])
    reply = "".join(piece.raw for piece in pieces)
    told = "".join(piece.raw for piece in pieces[:heard])
    if heard < len(pieces):
        assert sentences.first(reply.strip(), heard) == told.strip()


@given(ANY_TEXT, st.lists(st.integers(0, 10_000), max_size=30))
async def test_a_clause_depends_on_the_text_alone(text: str, cuts: list[int]) -> None:
    text = f"Of course I can help you, {text}"
    assume(not thoughts.visible(text).anew)  # what was said of such a thought depends on when its end came
    assert await arrive(chunked(text, cuts)) == await arrive([text])
    assert await arrive(list(text)) == await arrive([text])


@given(st.text(alphabet="ab1 ,;:.—\"'(“”)`*\n", max_size=300), st.booleans())
def test_a_clause_is_never_longer_than_the_limit_nor_moved_by_what_follows(text: str, whole: bool) -> None:
    end = clause.end(text, whole=whole, limit=LIMIT)
    assert end is None or 0 <= end <= LIMIT
    if end and not whole:
        assert clause.end(text + "a b, c", whole=False, limit=LIMIT) == end
