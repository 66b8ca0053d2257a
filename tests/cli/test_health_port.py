"""A child takes its own health port, and says in its log which."""

from services.cli.health_port import HealthPort


def test_the_port_that_a_child_names_is_its_own_and_then_its_successors() -> None:
    passed = list[str]()
    health = HealthPort(lambda name, line: passed.append(line))
    lines = [
        '{"event":"loading"}',
        '{"health_port":41215,"event":"service_started","service":"llm"}',
        'somebody\'s "health_port" that is no JSON',
        '{"health_port":37555,"event":"service_started","service":"llm"}',
    ]

    seen = []
    for line in lines:
        health.relay("llm", line)
        seen.append(health.port)

    assert (seen, passed) == ([0, 41215, 41215, 37555], lines)
