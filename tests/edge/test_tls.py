"""TLS: with a certificate the edge speaks wss and https and nothing else."""

import asyncio
import json
import os
import ssl
import subprocess
from pathlib import Path

import msgspec
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidMessage

from services.edge import tls
from services.edge.settings import EdgeSettings
from services.runtime.bus import Bus, BusSettings
from services.runtime.errors import SettingsError
from tests.cli.commands import ROOT, run, started
from tests.edge.asking import answering, edge, receive, tone, two_sentences

QUESTION = ROOT / "audios" / "question.wav"


class Certificate(msgspec.Struct):
    """Files of a certificate for this machine that has signed itself."""

    cert: Path
    key: Path


@pytest.fixture(scope="module", name="certificate")
def _certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    folder = tmp_path_factory.mktemp("tls")
    made = Certificate(folder / "cert.pem", folder / "key.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
         "-keyout", made.key, "-out", made.cert],
        check=True, capture_output=True, timeout=30, env={"PATH": os.environ["PATH"], "HOME": str(folder)},
    )  # fmt: skip
    return made


def settings(certificate: Certificate) -> EdgeSettings:
    return EdgeSettings(tls_cert=str(certificate.cert), tls_key=str(certificate.key))


async def test_a_turn_goes_over_wss(bus: Bus, bus_settings: BusSettings, certificate: Certificate) -> None:
    """With a client that checks the certificate."""
    trusting = await asyncio.to_thread(ssl.create_default_context, cafile=str(certificate.cert))
    async with (
        edge(bus_settings, settings(certificate)) as (server, _),
        answering(bus, two_sentences),
        connect(f"wss://127.0.0.1:{server.port}/ws", ssl=trusting) as client,
    ):
        await client.send(tone(1))
        assert (await receive(client)).text["llama"] == "The reply."
        version = client.transport.get_extra_info("ssl_object").version()

    assert version in ("TLSv1.2", "TLSv1.3")


async def test_nothing_is_said_without_tls(bus_settings: BusSettings, certificate: Certificate) -> None:
    """Neither the WebSocket nor the health pages."""
    async with edge(bus_settings, settings(certificate)) as (server, _):
        with pytest.raises((InvalidMessage, EOFError, ConnectionError)):
            async with connect(f"ws://127.0.0.1:{server.port}/ws"):
                pass
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        try:
            said = await reader.read()
        except ConnectionError:
            said = b""
        writer.close()

    assert b"HTTP" not in said


@pytest.mark.parametrize(
    ("cert", "key"), [("", "key.pem"), ("nowhere.pem", ""), ("cert.pem", ""), ("key.pem", "key.pem"), ("text", "text")]
)
def test_a_certificate_that_cannot_be_used_is_a_bad_setting(certificate: Certificate, cert: str, key: str) -> None:
    """Said with its files, without asking anything on a terminal."""
    folder = certificate.cert.parent
    (folder / "text").write_text("no PEM")
    names = [str(folder / name) if name else "" for name in (cert, key)]

    with pytest.raises(SettingsError, match="TLS_"):
        tls.context(EdgeSettings(tls_cert=names[0], tls_key=names[1]))


def test_one_file_may_hold_both(certificate: Certificate) -> None:
    """As many tools write it."""
    both = certificate.cert.parent / "both.pem"
    both.write_text(certificate.cert.read_text() + certificate.key.read_text())

    assert tls.context(EdgeSettings(tls_cert=str(both))) is not None
    assert tls.context(EdgeSettings()) is None


@pytest.mark.timeout(120)
def test_up_and_say_use_it(tmp_path: Path, certificate: Certificate) -> None:
    """`up` becomes ready and says wss; `say` asks with TLS, and trusts only whom it is told to."""
    cert, key = certificate.cert, certificate.key
    with started(tmp_path / "up", "up", TLS_CERT=cert, TLS_KEY=key) as up:
        up.until_ready()
        told = up.stdout
        done = run(
            tmp_path,
            "say",
            "--json",
            str(QUESTION),
            PORT=up.env["PORT"],
            SSL_CERT_FILE=cert,
            TLS_CERT=cert,
            TLS_KEY=key,
        )
        stranger = run(tmp_path, "say", "--json", str(QUESTION), PORT=up.env["PORT"], TLS_CERT=cert, TLS_KEY=key)

    assert f"wss://127.0.0.1:{up.env['PORT']}/ws" in told
    assert json.loads(done.stdout)["llama"] == "One sentence. And another.", done.stderr
    assert stranger.returncode == 1
    assert "SSL_CERT_FILE" in stranger.stderr
