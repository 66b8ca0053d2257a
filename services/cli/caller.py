"""The client that the words of a command ask for: of this machine's edge, unless another is named."""

import argparse

from services.runtime import settings

from . import ports
from .client import Client
from .settings import CliSettings

MENDS = 2
"""How often a link that breaks is mended for one question."""


def of(words: argparse.Namespace, *, stream: bool, trace: bool = False) -> Client:
    """The client of `say` and `talk`. Raises: SettingsError."""
    wanted = settings.load(CliSettings)
    return Client(
        words.url or ports.edge(wanted.host, wanted.port, tls=bool(wanted.tls_cert)),
        key=words.key or wanted.voicebus_key,
        session=words.session,
        voice=words.voice,
        language=words.language,
        timeout=words.timeout,
        trace=trace,
        mends=MENDS,
        stream=stream,
    )
