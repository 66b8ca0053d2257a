"""Encryption and nkeys: the comments of deploy/nats done as they say, with certificates made for the test."""

import asyncio
import base64
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import nkeys  # type: ignore[import-untyped]
import pytest

from services.runtime import access
from services.runtime import bus as buses
from services.runtime.bus import BusSettings
from services.runtime.errors import BusLost, SettingsError, StartError
from tests.security.locked import Locked, copy, running

CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Certificates(msgspec.Struct, frozen=True):
    """An authority, and what it has signed for the broker and for a service."""

    folder: Path

    def file(self, name: str) -> str:
        return str(self.folder / name)

    def environment(self) -> dict[str, str]:
        """What tls.conf reads."""
        names = {"CERT": "broker.pem", "KEY": "broker.key", "CA": "ca.pem"}
        return {f"NATS_TLS_{name}": self.file(file) for name, file in names.items()}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Made with the openssl of the system, as docs/security.md does."""
    folder = tmp_path_factory.mktemp("certificates")
    authority = ("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
    _openssl(
        folder, "req", "-x509", *CURVE, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=authority", *authority
    )
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    for who in ("broker", "service"):
        _openssl(folder, "req", *CURVE, "-keyout", f"{who}.key", "-out", f"{who}.csr", "-subj", f"/CN={who}")
        signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names")
        _openssl(folder, "x509", "-req", "-in", f"{who}.csr", "-out", f"{who}.pem", "-days", "2", *signed)
    return Certificates(folder)


def _openssl(folder: Path, *words: str) -> None:
    done = subprocess.run(["openssl", *words], cwd=folder, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def encrypted(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Locked]:
    """nats.conf with its line for TLS."""
    folder = tmp_path_factory.mktemp("encrypted")
    configuration = _with(copy(folder / "nats"), "# include ./tls.conf", "include ./tls.conf")
    with running(folder, configuration, certificates.environment()) as broker:
        yield broker


@pytest.fixture(scope="module")
def mutual(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Locked]:
    """The same, and it lets in only who shows a certificate."""
    folder = tmp_path_factory.mktemp("mutual")
    configuration = _with(copy(folder / "nats"), "# include ./tls.conf", "include ./tls.conf")
    _with(configuration.with_name("tls.conf"), "# ca_file:", "ca_file:")
    _with(configuration.with_name("tls.conf"), "# verify:", "verify:")
    with running(folder, configuration, certificates.environment()) as broker:
        yield broker


def _with(file: Path, old: str, new: str) -> Path:
    text = file.read_text()
    assert text.count(old) == 1, f"{file.name} has not one {old!r}"
    file.write_text(text.replace(old, new))
    return file


async def test_a_service_that_knows_the_authority_comes_in_encrypted(
    encrypted: Locked, certificates: Certificates
) -> None:
    """With the plain address too: the broker asks for it."""
    settings = msgspec.structs.replace(encrypted.settings("tts"), nats_tls_ca=certificates.file("ca.pem"))
    for url in (encrypted.url, encrypted.url.replace("nats://", "tls://")):
        async with buses.connect(msgspec.structs.replace(settings, nats_url=url), "tts") as bus:
            assert access.encrypted(bus.client)


@pytest.mark.parametrize("wrong", ["authority", "name"])
async def test_a_certificate_that_cannot_be_trusted_is_told_at_once(
    encrypted: Locked, certificates: Certificates, wrong: str
) -> None:
    """One of an authority that this machine does not know; one that names another machine."""
    settings = encrypted.settings("tts")
    if wrong == "name":
        url = encrypted.url.replace("127.0.0.1", "127.1")
        settings = msgspec.structs.replace(settings, nats_url=url, nats_tls_ca=certificates.file("ca.pem"))
    with pytest.raises(StartError, match=r"is not to be trusted .*; set NATS_TLS_CA"):
        async with asyncio.timeout(4), buses.connect(settings, "tts"):
            pass


@pytest.mark.parametrize("how", ["tls://", "NATS_TLS_CA"])
async def test_who_asks_for_encryption_sends_nothing_without_it(
    locked: Locked, certificates: Certificates, how: str
) -> None:
    """Whoever sits in between can take the broker's offer away; then no password leaves this machine."""
    settings = locked.settings("tts")
    if how == "tls://":
        settings = msgspec.structs.replace(settings, nats_url=locked.url.replace("nats://", how))
    else:
        settings = msgspec.structs.replace(settings, nats_tls_ca=certificates.file("ca.pem"))
    with pytest.raises(StartError, match=r"does not offer encryption .* nothing was sent"):
        async with asyncio.timeout(4), buses.connect(settings, "tts"):
            pass


async def test_a_broker_that_wants_a_certificate_lets_in_who_shows_one(
    mutual: Locked, certificates: Certificates
) -> None:
    """And tells who shows none."""
    bare = msgspec.structs.replace(mutual.settings("tts"), nats_tls_ca=certificates.file("ca.pem"))
    shown = msgspec.structs.replace(
        bare, nats_tls_cert=certificates.file("service.pem"), nats_tls_key=certificates.file("service.key")
    )
    async with buses.connect(shown, "tts") as bus:
        assert access.encrypted(bus.client)
    with pytest.raises(StartError, match="certificate"):
        async with asyncio.timeout(6), buses.connect(bare, "tts"):
            pass


def test_a_file_that_is_no_certificate_is_named(tmp_path: Path) -> None:
    """A wrong setting, before anything is sent."""
    path = tmp_path / "no.pem"
    path.write_text("not a certificate")
    for settings in (BusSettings(nats_tls_ca=str(path)), BusSettings(nats_tls_cert=str(tmp_path / "gone.pem"))):
        with pytest.raises(SettingsError, match=r"NATS_TLS_C(A|ERT)=.*\.pem: cannot be used"):
            access.encryption(settings)


def nkey() -> tuple[str, str]:
    """The seed and the public half of a new nkey of a user, made as docs/security.md does."""
    seed = nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER)
    return seed.decode(), nkeys.from_seed(bytearray(seed)).public_key.decode()


@pytest.fixture
def edge_by_nkey(tmp_path: Path) -> Iterator[tuple[Locked, str]]:
    """nats.conf with the public half of an nkey in place of the edge's password; and the seed."""
    seed, public = nkey()
    configuration = copy(tmp_path / "nats")
    _with(configuration, "user: edge, password: $NATS_EDGE_PASSWORD,", "nkey: $NATS_EDGE_NKEY,")
    with running(tmp_path, configuration, {"NATS_EDGE_NKEY": public}) as broker:
        yield broker, seed


async def test_a_role_comes_in_with_its_nkey_and_with_no_other(edge_by_nkey: tuple[Locked, str]) -> None:
    """The broker knows the public half only; the role's permissions stay."""
    broker, seed = edge_by_nkey
    settings = BusSettings(nats_url=broker.url, nats_nkey_seed=seed, nats_inbox_prefix="_INBOX_edge")
    async with buses.connect(settings, "edge") as bus:
        await bus.check()
        with pytest.raises(BusLost, match="forbids it"):
            await bus.unless_lost(bus.jetstream.purge_stream("VOICE_ANSWER"))
    with pytest.raises(StartError, match="does not let this nkey in"):
        async with buses.connect(msgspec.structs.replace(settings, nats_nkey_seed=nkey()[0]), "edge"):
            pass


@pytest.mark.parametrize("seed", ["UAAA", "SU", base64.b32encode(b"x" * 36).decode(), "é"])
def test_a_wrong_seed_is_told_and_not_shown(seed: str) -> None:
    """A public key, half a seed, another kind of key."""
    with pytest.raises(SettingsError, match="no seed of an nkey") as told:
        access.nkey_seed(BusSettings(nats_nkey_seed=seed))
    assert seed not in str(told.value).replace("begins with SU", "")
