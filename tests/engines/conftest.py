"""Somebody else's server of Ollama's protocol, once for all tests of it."""

from collections.abc import Iterator

import pytest

from tests.engines import ollama_server


@pytest.fixture(scope="session")
def llama_address() -> Iterator[str]:
    """Where llama.cpp's own server listens."""
    with ollama_server.llama() as address:
        yield address


@pytest.fixture(scope="session")
def ollama_port(llama_address: str, broker_url: str) -> Iterator[int]:
    """Where ollama-proxy-plus listens."""
    with ollama_server.proxy(llama_address) as port:
        yield port
