"""What of a text can be said aloud: a reply comes with emoji and Markdown, which engines would read by name."""

import re
import unicodedata

_LINK = re.compile(r"!?\[([^\]\[]*)\]\([^)\s]*\)")
_LINE_MARK = re.compile(r"^[ \t]*(?:#{1,6}|[-*+•]|>)[ \t]+", re.MULTILINE)
_EMPHASIS = re.compile(r"(?<=\S)[*_]{1,3}(?!\w)|(?<!\w)[*_]{1,3}(?=\S)|`+|~~")
_FIRST_PICTOGRAM = 0x2190
"""Symbols before it (©, °) are part of what people say; from here on they are arrows, boxes and emoji."""
_SKIN_TONES = range(0x1F3FB, 0x1F400)
_UNHEARD = {"Cc", "Cf", "Cn", "Co", "Cs", "Me"}
_VARIATION_SELECTORS = range(0xFE00, 0xFE10)


def clean(text: str) -> str:
    """The text without what nobody says, spaces collapsed; empty when no letter or digit is left."""
    text = _EMPHASIS.sub("", _LINE_MARK.sub("", _LINK.sub(r"\1", text)))
    text = " ".join("".join(_heard(character) for character in text).split())
    return text if any(character.isalnum() for character in text) else ""


def _heard(character: str) -> str:
    if character.isspace():
        return " "
    point = ord(character)
    category = unicodedata.category(character)
    pictogram = category == "So" and point >= _FIRST_PICTOGRAM
    if pictogram or category in _UNHEARD or point in _SKIN_TONES or point in _VARIATION_SELECTORS:
        return ""
    return character
