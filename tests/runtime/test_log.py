"""Logs: JSON off a terminal, one line an event."""

import json
import logging
from typing import Literal

import pytest
import structlog

from services.runtime import log
from services.runtime.log import LogSettings


def test_off_a_terminal_every_line_is_json_with_time_level_and_service(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(LogSettings(), "stt")
    structlog.get_logger().info("event_handled", turn="t1")
    logging.getLogger("websockets").warning("from a library")
    ours, theirs = (json.loads(line) for line in capsys.readouterr().err.splitlines())

    assert (ours["event"], ours["turn"], ours["service"], ours["level"]) == ("event_handled", "t1", "stt", "info")
    assert (theirs["event"], theirs["service"]) == ("from a library", "stt")
    assert ours["timestamp"].endswith("Z")


def test_debug_lines_are_written_in_debug_mode_only(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(LogSettings(), "stt")
    structlog.get_logger().debug("transcribed", text="a secret")
    log.configure(LogSettings(debug_mode=True), "stt")
    structlog.get_logger().debug("transcribed", text="not any more")

    assert "a secret" not in (err := capsys.readouterr().err)
    assert "not any more" in err


def test_an_error_of_a_library_has_its_traceback_in_the_line(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(LogSettings(), "stt")
    try:
        raise ValueError("deep inside")
    except ValueError:
        logging.getLogger("websockets").exception("handler failed")

    line = json.loads(capsys.readouterr().err)
    assert "ValueError: deep inside" in line["exception"]


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_traceback_shows_no_variables(form: Literal["console", "json"], capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(LogSettings(log_format=form), "stt")
    words = "what was said in confidence"
    try:
        raise ValueError(len(words))
    except ValueError as error:
        structlog.get_logger().error("handler_crashed", exc_info=error)

    assert "ValueError" in (err := capsys.readouterr().err)
    assert words not in err.replace('words = "what was said in confidence"', "")
