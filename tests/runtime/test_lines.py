"""Where log lines are written, and when."""

import asyncio
import io

from services.runtime.lines import Lines


class Counted(io.StringIO):
    """Counts how often it is written to."""

    writes = 0

    def write(self, text: str) -> int:
        self.writes += 1
        return super().write(text)


async def test_the_lines_of_one_round_are_written_together_by_its_end() -> None:
    file = Counted()
    lines = Lines(file)
    lines.info("one")
    lines.info("two")
    assert file.getvalue() == ""

    await asyncio.sleep(0)
    assert (file.getvalue(), file.writes) == ("one\ntwo\n", 1)


async def test_a_warning_is_written_at_once_after_what_waits() -> None:
    lines = Lines(file := io.StringIO())
    lines.info("work")
    lines.error("the engine is gone")

    assert file.getvalue() == "work\nthe engine is gone\n"


async def test_a_line_of_a_thread_is_written_at_once() -> None:
    lines = Lines(file := io.StringIO())
    await asyncio.to_thread(lines.info, "from a thread")

    assert file.getvalue() == "from a thread\n"


def test_no_line_is_lost_with_the_loop_that_it_waited_for() -> None:
    lines = Lines(file := io.StringIO())
    loop = asyncio.new_event_loop()
    loop.call_soon(lines.info, "the last round")
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    lines.info("after it")

    assert file.getvalue() == "the last round\nafter it\n"
