"""A reply becomes pieces that can be spoken: none lost, none reordered, however it arrives."""

import re
from collections.abc import AsyncIterator, Sequence
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.llm import sentences
from services.llm.sentences import LIMIT, Piece, thoughts

WORDS = re.split(
    " ",
    "Olá você Dr. Sr. p. ex. e.g. No. 5 3.5 10.30 etc. p.m. U.S. Paris. Lisbon! ok? Wait... hm… “Yes.” (No.) said,"
    " can't. isn’t. 'J. R.' ext. हैं। حالك؟"
    " então; é. because but mas and e which long, words: Maria. 10, 20 — –"
    " «Sim» 1. 2. - * ** `code` [docs](http://x.y/z) _so_ # > \n \n\n"
    " 日本語です。 はい！ 😀 4 * 3"
    " <think> </think> <b>",
)
PROSE = st.lists(st.sampled_from([*WORDS, "\n", "  ", "x" * 230, "é" * 90]), max_size=60).map(" ".join)
ANY_TEXT = st.one_of(PROSE, st.text(max_size=400), st.text(alphabet="aA1.!?…\"'*_` \n,)<think>/", max_size=400))


def spoken(text: str) -> list[str]:
    return [piece.text for piece in sentences.split(text, end=True)[0]]


async def arrive(chunks: Sequence[str], most: int = 1000, *, thinks: bool = False) -> list[Piece]:
    async def written() -> AsyncIterator[str]:
        for chunk in chunks:
            yield chunk

    return [piece async for piece in sentences.pieces(written(), most, thinks=thinks)]


def reply(pieces: list[Piece]) -> list[Piece]:
    """The pieces that count: those from the last new beginning on."""
    begins = [i for i, piece in enumerate(pieces) if piece.anew]
    return pieces[begins[-1] :] if begins else pieces


def chunked(text: str, cuts: Sequence[int]) -> list[str]:
    edges = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    return [text[a:b] for a, b in pairwise(edges)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It rains. Take a coat! Why? Because.", ["It rains.", "Take a coat!", "Why?", "Because."]),
        ("Dr. Silva met Mrs. Jones.", ["Dr. Silva met Mrs. Jones."]),
        ("O Sr. João e a Sra. Ana saíram. Até já.", ["O Sr. João e a Sra. Ana saíram.", "Até já."]),
        ("Assim é. Depois, p. ex. Lisboa.", ["Assim é.", "Depois, p. ex. Lisboa."]),
        ("Fruit, e.g. Apples. Done.", ["Fruit, e.g. Apples.", "Done."]),
        ("Pi is 3.14. See a.com/b.html now.", ["Pi is 3.14.", "See a.com/b.html now."]),
        ("São 10.500 euros. É caro.", ["São 10.500 euros.", "É caro."]),
        ("It was 1998. Then came 2000.", ["It was 1998.", "Then came 2000."]),
        ("No. 5 is alive. I said no. Then I left.", ["No. 5 is alive.", "I said no.", "Then I left."]),
        ("At 5 p.m. The bells ring.", ["At 5 p.m.", "The bells ring."]),
        ("J. R. R. Tolkien wrote. So do I. We go.", ["J. R. R. Tolkien wrote.", "So do I.", "We go."]),
        ("Well... maybe. Hm… Yes.", ["Well... maybe.", "Hm…", "Yes."]),
        ("“Stop!” he said. “No.” She ran.", ["“Stop!” he said.", "“No.”", "She ran."]),
        ("Really?! (Yes.) Good.", ["Really?!", "(Yes.)", "Good."]),
        ("No, I can't. Sorry. It isn’t. That's it.", ["No, I can't.", "Sorry.", "It isn’t.", "That's it."]),
        ("He read 'J. R. Smith' to us.", ["He read 'J. R. Smith' to us."]),
        ("Call us, ext. 12. Thanks.", ["Call us, ext. 12.", "Thanks."]),
        ("مرحبا، كيف حالك؟ أنا بخير. आप कैसे हैं। मैं ठीक हूँ।", ["مرحبا، كيف حالك؟", "أنا بخير.", "आप कैसे हैं।", "मैं ठीक हूँ।"]),
        ("日本です。次！はい", ["日本です。", "次！", "はい"]),
        ("no full stop", ["no full stop"]),
        ("", []),
        (" \n\n ", []),
        ("👍 --- ***", []),
    ],
)
def test_sentences_end_where_a_reader_would_stop(text: str, expected: list[str]) -> None:
    assert spoken(text) == expected


def test_lines_and_list_items_are_sentences_without_their_markup() -> None:
    text = "# Soup\n1. Boil **two** carrots.\n2. Wait\n- Salt\n* `Pepper` 🙂\n---\n> See [this](http://a.b/c).\n```python\nx_y\n```"
    assert spoken(text) == ["Soup", "1. Boil two carrots.", "2. Wait", "Salt", "Pepper", "See this.", "x_y"]


def test_arithmetic_and_names_are_no_markup() -> None:
    assert spoken("3 * 4 is 2*6 in snake_case.") == ["3 * 4 is 2*6 in snake_case."]


def test_an_overlong_sentence_is_cut_at_a_clause() -> None:
    text = "A first clause of some length that goes on and on for quite a while, " + "then words " * 30
    first, *rest = spoken(text)
    assert first.endswith("quite a while,")
    assert all(len(piece) <= LIMIT for piece in rest)


def test_an_overlong_word_is_cut_hard() -> None:
    assert [len(piece) for piece in spoken("x" * 450)] == [200, 200, 50]


async def test_thoughts_are_never_spoken() -> None:
    chunks = ["<th", "ink>Secret. ", "More.</thi", "nk>Par", "is. <think>never closed. "]
    assert [piece.text for piece in await arrive(chunks)] == ["Paris."]


async def test_a_thought_that_nothing_opened_is_no_part_of_the_reply() -> None:
    """A template that ends in `<think>` leaves only the other tag; the reply begins anew behind it, once."""
    chunks = ["I must not. ", "Say this. Or", " that.</th", "ink>Par", "is. It rains. "]
    said = await arrive(chunks)
    assert [piece.text for piece in said if not piece.anew][:2] == ["I must not.", "Say this."]
    assert [(piece.text, piece.anew, piece.last) for piece in reply(said)] == [
        ("Paris.", True, False),
        ("It rains.", False, True),
    ]


async def test_a_model_that_is_known_to_think_says_nothing_of_it() -> None:
    """Also when its thought is all that there was room for."""
    chunks = ["I must not. ", "Say this.</think>", "Paris."]
    assert [(piece.text, piece.anew) for piece in await arrive(chunks, thinks=True)] == [("Paris.", False)]
    assert await arrive(["I must not. Say"], thinks=True) == [Piece("", "", last=True)]


async def test_a_piece_leaves_as_soon_as_the_next_sentence_begins() -> None:
    assert [piece.text for piece in sentences.split("It rains. T")[0]] == ["It rains."]
    assert sentences.split("It rains.") == ([], "It rains.")


async def test_no_more_pieces_than_allowed_and_the_final_one_is_last() -> None:
    pieces = await arrive(["One. Two. Three. Four."], most=2)
    assert pieces == [Piece("One.", "One."), Piece("Two.", " Two.", last=True)]


async def test_a_reply_that_says_nothing_is_one_empty_last_piece() -> None:
    assert await arrive([]) == [Piece("", "", last=True)]
    assert await arrive(["👍", " "]) == [Piece("", "👍 ", last=True)]


def test_the_part_that_was_heard_is_the_beginning_as_it_was_written() -> None:
    assert sentences.first("One. *Two.* Three.", 2) == "One. *Two.*"
    assert sentences.first("One.", 0) == ""


@given(ANY_TEXT, st.lists(st.integers(0, 10_000), max_size=30), st.integers(1, 40))
async def test_any_chunking_gives_the_same_pieces(text: str, cuts: list[int], most: int) -> None:
    assume(not thoughts.visible(text).anew)  # what was said of such a thought depends on when its end came
    assert await arrive(chunked(text, cuts), most) == await arrive([text], most)


@given(ANY_TEXT)
async def test_letter_by_letter_gives_the_same_pieces(text: str) -> None:
    assert reply(await arrive(list(text))) == reply(await arrive([text]))


@given(PROSE.map(lambda text: text.replace("think>", "b>")), PROSE, st.lists(st.integers(0, 10_000), max_size=30))
async def test_no_letter_of_a_thought_is_in_the_reply(thought: str, after: str, cuts: list[int]) -> None:
    """Whichever tags it has, and wherever they are cut."""
    after = after.replace("think>", "b>")
    for opening in ("<think>", ""):
        chunks = chunked(f"{opening}{thought}</think>{after}", cuts)
        assert "".join(piece.raw for piece in reply(await arrive(chunks))) == after


@given(ANY_TEXT)
async def test_nothing_is_lost_or_reordered(text: str) -> None:
    shown = thoughts.visible(text, end=True).text
    pieces = await arrive([text])
    assert "".join(piece.raw for piece in pieces) == shown
    assert [piece.last for piece in pieces] == [False] * (len(pieces) - 1) + [True]


@given(st.text(alphabet=st.characters(exclude_categories=("So", "Cs"), exclude_characters="`"), max_size=600))
async def test_joined_pieces_are_the_text_up_to_space_and_markup(text: str) -> None:
    def letters(some: str) -> str:
        return "".join(character for character in some if character.isalnum())

    pieces = await arrive([text.replace("<", "").replace("](", "]")])
    assert letters("".join(piece.text for piece in pieces)) == letters(text)


@given(ANY_TEXT)
def test_no_piece_is_longer_than_the_limit_or_silent(text: str) -> None:
    for piece in sentences.split(text, end=True)[0]:
        assert 0 < len(piece.text) <= LIMIT
        assert any(character.isalnum() for character in piece.text)
