"""The languages that speech comes in: reading their codes as people write them."""

from bus_schemas import codes
from services.runtime.errors import Refused, SettingsError

_CODES = (
    "af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha haw he hi hr ht hu hy "
    "id is it ja jw ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt my ne nl nn no oc pa pl ps pt ro ru "
    "sa sd si sk sl sn so sq sr su sv sw ta te tg th tk tl tr tt uk ur uz vi yi yo zh yue"
)
KNOWN = frozenset(_CODES.split())
"""Whisper's hundred: ISO 639-1, but for `haw`, `jw` and `yue`."""

UNSPACED = frozenset({"ja", "lo", "my", "th", "yue", "zh"})
"""Those that put no space between words."""


def code(language: str) -> str:
    """`pt-BR`, `PT` and `pt` are all `pt`; empty stays empty.

    Raises: Refused.
    """
    written = language.strip().lower()
    base = written.replace("_", "-").partition("-")[0]
    if written and base not in KNOWN:
        raise Refused(
            codes.LANGUAGE, f"No speech recogniser here knows the language {language!r}: send one such as pt."
        )
    return base


def choice(text: str) -> tuple[str, ...]:
    """The codes of a setting such as `en,pt`; of `all` none, which means every one.

    Raises: SettingsError.
    """
    if text.strip().lower() == "all":
        return ()
    named = [part.strip() for part in text.split(",") if part.strip()]
    unknown = [part for part in named if part not in KNOWN]
    if unknown or not named:
        raise SettingsError(f"WHISPER_LANGUAGES: no language codes: {', '.join(unknown) or text!r}; write en,pt or all")
    return tuple(named)
