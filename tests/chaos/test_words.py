"""The verdict sees a splice, a mix-up, a gap and a wrong sound: a judge that passes everything proves nothing."""

from . import words


def reply(writer: str = "llm-0x0", attempt: int = 1, question: int = 8_001, sentences: int = 3) -> list[str]:
    """The sentences of a reply, as a scripted llm writes them."""
    text = words.script(writer, sentences).replace("{attempt}", str(attempt))
    return [f"{part}." for part in text.replace("{transcript}", f"question {question}").rstrip(".").split(". ")]


def judged(sentences: list[str], number: int = 8_001, heard: str = "question 8001", sound: bytes | None = None) -> str:
    """What is wrong with an answer."""
    spoken = b"".join(map(words.spoken, sentences)) if sound is None else sound
    return words.problem(number, heard, " ".join(sentences), spoken)


def test_a_whole_answer_is_right() -> None:
    assert judged(reply()) == ""


def test_sentences_of_two_runs_are_a_splice() -> None:
    """Of two runs of one process, and of two processes that both count from 1."""
    assert "several runs" in judged([*reply()[:2], reply(attempt=2)[2]])
    assert "several runs" in judged([*reply()[:2], reply("llm-1x0")[2]])


def test_a_sentence_that_is_missing_or_comes_twice_is_seen() -> None:
    whole = reply()
    assert "in order" in judged(whole[:2])
    assert "in order" in judged([whole[0], *whole])
    assert "in order" in judged([whole[1], whole[0], whole[2]])


def test_an_answer_to_another_question_is_seen() -> None:
    assert "heard as" in judged(reply(), heard="question 8002")
    assert "answered with" in judged(reply(question=8_002))


def test_a_sound_that_is_not_of_its_text_is_seen() -> None:
    """The same length, another pitch."""
    other = b"".join(map(words.spoken, reply(attempt=2)))
    assert len(other) == len(b"".join(map(words.spoken, reply())))
    assert "sound" in judged(reply(), sound=other)
    assert "sound" in judged(reply(), sound=b"")
