"""The health pages of every service."""

import asyncio
import urllib.error
import urllib.request

import pytest

from services.runtime import health, metrics
from services.runtime.errors import StartError
from services.runtime.health import Readiness


async def get(port: int, path: str) -> tuple[int, str]:
    """The status and body of one of the health pages."""

    def fetch() -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    return await asyncio.to_thread(fetch)


async def test_a_service_is_alive_before_it_is_ready_and_says_what_it_lacks() -> None:
    readiness = Readiness()
    readiness.lack("engine", "loading")
    async with health.listen("127.0.0.1", 0, readiness) as port:
        assert (await get(port, "/healthz"))[0] == 200
        assert await get(port, "/readyz") == (503, '{"ready":false,"missing":{"engine":"loading"}}')

        readiness.have("engine")
        assert await get(port, "/readyz") == (200, '{"ready":true,"missing":{}}')


async def test_metrics_are_in_the_text_format_of_prometheus() -> None:
    metrics.EVENTS.labels("stt", "finished").inc()
    async with health.listen("127.0.0.1", 0, Readiness()) as port:
        status, text = await get(port, "/metrics")

    assert status == 200
    assert "# TYPE voicebus_events_total counter" in text


async def test_a_path_that_is_no_page_names_those_that_are() -> None:
    async with health.listen("127.0.0.1", 0, Readiness()) as port:
        assert (await get(port, "/"))[0] == 404


async def test_a_port_that_is_taken_is_one_sentence() -> None:
    async with health.listen("127.0.0.1", 0, Readiness()) as port:
        with pytest.raises(StartError, match=f"port {port} .*set HEALTH_PORT"):
            async with health.listen("127.0.0.1", port, Readiness()):
                pass
