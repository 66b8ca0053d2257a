"""The voices of a deployment: `audios/voices.toml`, one table a voice."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from bus_schemas import codes
from services.runtime.errors import Refused, SettingsError, StartError

CATALOGUE = "voices.toml"

Name = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-]{1,64}\Z")]
Language = Annotated[str, Meta(pattern=r"\A[a-z]{2,3}\Z")]
"""ISO 639: `en`, `pt`."""
Preset = Annotated[str, Meta(pattern=r"\A(piper|kokoro)/[A-Za-z0-9_.-]+\Z")]
"""`<engine>/<voice of that engine>`."""


class Voice(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of voices.toml; the table's key is its name."""

    file: str
    """The reference recording, a WAV beside voices.toml: what a cloning engine imitates."""
    more_files: tuple[str, ...] = ()
    """Further recordings of the same person, for a cloning engine."""
    language: Language
    """What the recording speaks; what the voice speaks when nobody says a language."""
    licence: Annotated[str, Meta(min_length=1)]
    source: Annotated[str, Meta(min_length=1)]
    """Who is heard, and with what right."""
    embedded: Mapping[Language, Preset] = {}
    """The preset that stands in for the recording, language by language: the embedded engines cannot clone."""


class Voices(Struct, frozen=True):
    """Everybody who can be asked for."""

    folder: Path
    by_name: Mapping[str, Voice]


class Cast(Struct, frozen=True):
    """Who speaks a sentence."""

    name: str
    language: str
    preset: str


def read(directory: str) -> Voices:
    """Read the catalogue of *directory*; a relative one is looked for here, then beside `services`.

    Raises: StartError.
    """
    folder = _folder(directory)
    path = folder / CATALOGUE
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        by_name = msgspec.convert(tables, dict[Name, Voice])
    except OSError as error:
        raise StartError(
            f"no voices: cannot read {path} ({error.strerror}); point VOICES_DIR at a folder with a {CATALOGUE}"
        ) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise StartError(f"{path}: {error}; audios/README.md shows an entry") from error
    if not by_name:
        raise StartError(f"{path} names no voice; audios/README.md shows an entry")
    for name, voice in by_name.items():
        for file in (voice.file, *voice.more_files):
            if not (folder / file).is_file():
                raise StartError(f"{path}: voice {name!r} has no recording {folder / file}; add it, or mend its entry")
    return Voices(folder, by_name)


def check_default(voices: Voices, name: str) -> None:
    """Raises: SettingsError when VOICE_NAME names nobody."""
    if name not in voices.by_name:
        raise SettingsError(f"VOICE_NAME: no voice {name!r} in {voices.folder / CATALOGUE}, which has {_known(voices)}")


def find(voices: Voices, name: str) -> Voice:
    """Raises: Refused with VOICE."""
    if name not in voices.by_name:
        raise Refused(codes.VOICE, f"there is no voice {name!r} here; there are {_known(voices)}")
    return voices.by_name[name]


def recordings(voices: Voices, name: str) -> tuple[Path, ...]:
    """The recordings of a voice. Raises: Refused with VOICE."""
    voice = find(voices, name)
    return tuple(voices.folder / file for file in (voice.file, *voice.more_files))


def cast(voices: Voices, name: str, language: str) -> Cast:
    """Choose who speaks *language* in the voice *name* with the embedded engines.

    `pt-BR` is `pt`; no language is the voice's own. A voice that does not speak a language is stood in for by the
    first of the catalogue that does: people would rather hear an answer in another voice than none.

    Raises: Refused with VOICE or LANGUAGE.
    """
    wanted = find(voices, name)
    tongue = primary(language) or wanted.language
    if not wanted.embedded:
        raise Refused(codes.VOICE, f"the voice {name!r} is only a recording, which the embedded engine cannot imitate")
    for candidate, voice in [(name, wanted), *voices.by_name.items()]:
        if tongue in voice.embedded:
            return Cast(candidate, tongue, voice.embedded[tongue])
    spoken = sorted({known for voice in voices.by_name.values() for known in voice.embedded})
    raise Refused(codes.LANGUAGE, f"nobody here speaks {language!r}; the voices speak {', '.join(spoken)}")


def primary(language: str) -> str:
    """The language of a tag, without region or script: `pt` of `pt-BR`."""
    return language.replace("_", "-").partition("-")[0].lower()


def _folder(directory: str) -> Path:
    here = Path(directory)
    shipped = Path(__file__).parents[2] / directory
    return here if here.exists() or not shipped.exists() else shipped


def _known(voices: Voices) -> str:
    return ", ".join(voices.by_name)
