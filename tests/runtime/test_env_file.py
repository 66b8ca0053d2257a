"""A `.env` file is read, or told with its line and what to do."""

from pathlib import Path

import pytest

from services.runtime import env_file
from services.runtime.errors import SettingsError

GOOD = "# a comment\nPORT=8123\nexport HOST=\"0.0.0.0\"\n\nVOICE_NAME='man'\nEMPTY=\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_what_people_write_is_read(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / ".env"
    path.write_text(GOOD, encoding=encoding)
    assert env_file.read(path) == {"PORT": "8123", "HOST": "0.0.0.0", "VOICE_NAME": "man", "EMPTY": ""}


def test_without_one_nothing_is_set(tmp_path: Path) -> None:
    assert env_file.read(tmp_path / ".env") == {}


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ("PORT=1\nVOICE_NAME=vovó\n".encode("latin-1"), "line 2: this is not UTF-8"),
        ("PORT=1\n".encode("utf-16"), "line 1: this is UTF-16"),
        (b"PORT=1\n\0\n", "line 1: this is UTF-16 or no text"),
        (b'PORT=1\n\nVOICE_NAME="man\nHOST=x\n', "line 3: this is no setting"),
        (b"PORT=1\nPORT: 8123\n", "line 2: this is no setting"),
        (b"PORT\n", "line 1: this is no setting"),
        (b"PORT=1\n\n\n= 5\n", "line 4: this is no setting"),
    ],
)
def test_what_cannot_be_read_is_one_sentence_with_file_and_line(tmp_path: Path, raw: bytes, told: str) -> None:
    path = tmp_path / ".env"
    path.write_bytes(raw)
    with pytest.raises(SettingsError) as error:
        env_file.read(path)
    assert str(error.value).startswith(f"{path}, {told}")
    assert "\n" not in str(error.value)


def test_a_folder_of_that_name_is_told(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    with pytest.raises(SettingsError, match="cannot be read"):
        env_file.read(tmp_path / ".env")
