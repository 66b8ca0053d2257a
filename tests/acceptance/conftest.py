"""What was measured is shown at the end of the run, whether it was good enough or not."""

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") == "call":
                for what, figure in report.user_properties:
                    terminalreporter.write_line(f"measured: {what}: {figure}")
