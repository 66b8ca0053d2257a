"""Which process runs a test where several run them: a file is one's, and the files that share ports are one's too.

pytest-xdist's own groups mark the names of the tests, and pytest 9.2 does not show it those names (pytest-xdist 1386).
"""

import pytest
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

DEFAULT_PORTS = ("test_demo.py", "test_readme.py", "test_tutorial.py")
"""Tests that use 8000 and 4222, as people do."""


class BySharedPorts(LoadFileScheduling):  # type: ignore[misc]
    """Gives whole files, and those of DEFAULT_PORTS together, to one process."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return "default ports" if file.rpartition("/")[2] in DEFAULT_PORTS else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> BySharedPorts:
    """Found by pytest in `conftest.py`."""
    return BySharedPorts(config, log)
