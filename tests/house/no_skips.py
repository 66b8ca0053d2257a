"""A pytest plugin for CI: a test that skips, or is expected to fail, fails, unless its reason names a GPU or Docker."""

import re
from collections.abc import Generator

import pytest

ALLOWED = re.compile(r"\b(GPU|CUDA|Docker)\b", re.IGNORECASE)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Sees every phase of every test."""
    report = yield
    fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Sees modules that skip themselves as a whole."""
    report = yield
    fail_if_skipped(report)
    return report


def fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turns a skip into a failure that says why."""
    if report.skipped and not ALLOWED.search(str(report.longrepr)):
        report.outcome = "failed"
        vars(report).pop("wasxfail", None)  # pytest does not count a failure that was expected
        report.longrepr = f"skipped, and CI allows that only for a GPU or Docker: {report.longrepr}"
