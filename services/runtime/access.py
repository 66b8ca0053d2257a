"""How a service gets into the broker: where it is, who asks, and over which encryption."""

import re
import ssl
from collections.abc import Callable

from msgspec import Struct
from nats.aio.client import Client
from nats.errors import Error as NatsError

from . import nats_url
from .errors import SettingsError
from .settings import Seconds, Secret

_PREFIX = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_ENDED = re.compile("(user|account) authentication (expired|revoked)")
_ANNOUNCING = re.compile(
    "permissions violation for "
    r'(subscription to "(\$srv\.|voicewatch\.wanted|voiceoffer\.)|'
    r'publish to "(_inbox|voicewatch\.\w+\.\S|voiceoffer\.))'
)


class BusSettings(Struct, frozen=True):
    """How to reach the broker."""

    nats_url: str = "nats://127.0.0.1:4222"
    """The broker, or several separated by commas. tls:// never sends anything unencrypted."""
    nats_user: str = ""
    """User name at the broker."""
    nats_password: Secret = ""
    """Password at the broker."""
    nats_token: Secret = ""
    """Token at the broker, instead of user and password."""
    nats_nkey_seed: Secret = ""
    """Seed of an nkey (SU...) at the broker, instead of user and password; needs the extra `nkeys`."""
    nats_inbox_prefix: str = ""
    """Where the broker's answers come to, so that no other user hears them. Empty: _INBOX_ and NATS_USER, or _INBOX
    without a user."""
    nats_tls_ca: str = ""
    """A PEM file: the authorities whose certificate the broker may have; empty: those that this machine trusts. With
    it, nothing is sent unencrypted, as with tls://."""
    nats_tls_cert: str = ""
    """A PEM file: the certificate that this service shows a broker which asks for one."""
    nats_tls_key: str = ""
    """A PEM file: the private key of NATS_TLS_CERT; empty: it is in there too."""
    nats_health_url: str = ""
    """The broker's own health, such as http://127.0.0.1:8222/healthz: it alone says that a stream stores nothing any
    more, after a full disk. `voicebus up` sets it; empty: only a publish that is not confirmed tells."""
    nats_connect_seconds: Seconds = 10.0
    """How long a service that starts waits for the broker."""


class Unencrypted(NatsError):
    """The broker offers no encryption, and the settings ask for it."""


def servers(settings: BusSettings) -> list[str]:
    """The addresses of NATS_URL, without who asks. Raises: SettingsError."""
    return [server.address for server in nats_url.read(settings.nats_url)]


def shown(settings: BusSettings) -> str:
    """NATS_URL for a message to people: without a password that may be in it."""
    return nats_url.shown(settings.nats_url)


class Identity(Struct, frozen=True):
    """Who asks: by name and password, or by a token; empty: nobody in particular."""

    user: str = ""
    password: str = ""
    token: str = ""


def identity(settings: BusSettings) -> Identity:
    """Who asks: NATS_USER, NATS_PASSWORD and NATS_TOKEN, or else what stands in NATS_URL. Raises: SettingsError."""
    if settings.nats_user or settings.nats_token:
        return Identity(settings.nats_user, settings.nats_password, settings.nats_token)
    server = nats_url.read(settings.nats_url)[0]
    return Identity(server.user, server.password or settings.nats_password, server.token)


def inbox(settings: BusSettings) -> str:
    """The prefix of the subjects that answers come to.

    Raises: SettingsError.
    """
    user = identity(settings).user
    prefix = settings.nats_inbox_prefix or (f"_INBOX_{user}" if user else "_INBOX")
    if settings.nats_inbox_prefix and not _PREFIX.fullmatch(prefix):
        raise SettingsError(f"NATS_INBOX_PREFIX: {prefix!r} is no subject such as _INBOX_edge")
    return prefix if _PREFIX.fullmatch(prefix) else "_INBOX"


def nkey_seed(settings: BusSettings) -> str | None:
    """The seed to sign with, where there is one.

    Raises: SettingsError.
    """
    if not settings.nats_nkey_seed:
        return None
    try:
        import nkeys  # type: ignore[import-untyped]
    except ImportError as error:
        raise SettingsError(
            "NATS_NKEY_SEED: the package nkeys is missing; in a clone: make extra NAME=nkeys"
        ) from error
    try:
        nkeys.from_seed(bytearray(settings.nats_nkey_seed.encode())).wipe()
    except (nkeys.NkeysError, ValueError) as error:
        raise SettingsError("NATS_NKEY_SEED: this is no seed of an nkey; one begins with SU") from error
    return settings.nats_nkey_seed


def encryption(settings: BusSettings) -> ssl.SSLContext | None:
    """What to encrypt with, where the settings ask for it. Reads files.

    Raises: SettingsError.
    """
    files = settings.nats_tls_ca, settings.nats_tls_cert
    if not any(files) and not any(url.startswith("tls://") for url in servers(settings)):
        return None
    try:
        context = ssl.create_default_context(cafile=settings.nats_tls_ca or None)
        if settings.nats_tls_cert:
            context.load_cert_chain(settings.nats_tls_cert, settings.nats_tls_key or None)
    except OSError as error:
        named = ", ".join(f"{name}={value}" for name, value in _files(settings) if value)
        raise SettingsError(f"{named}: cannot be used ({error}); each has to be a PEM file that can be read") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def never_in_the_clear(client: Client) -> None:
    """Have *client* say nothing over a connection that is not encrypted.

    nats-py encrypts where the broker offers it. Somebody in between can take the offer away, and get the password.
    """
    introduce: Callable[[], bytes] = client._connect_command

    def introduce_encrypted() -> bytes:
        if not encrypted(client):
            raise Unencrypted("the broker does not offer encryption")
        return introduce()

    client._connect_command = introduce_encrypted  # type: ignore[method-assign]


def encrypted(client: Client) -> bool:
    """Whether nobody in between can read what *client* sends now."""
    writer = getattr(client._transport, "_io_writer", None)
    return writer is not None and writer.get_extra_info("ssl_object") is not None


def refusal(error: Exception, settings: BusSettings) -> str:
    """Why *error* will not pass by itself, and what to do; empty when it may."""
    said = str(error).lower()
    if _ANNOUNCING.search(said):
        return ""  # a service that may not say that it is there can work all the same
    if "permissions violation" in said:
        return f"the broker forbids it: {error}; grant the permission to this user"
    if "authorization violation" in said or _ENDED.search(said):
        who = identity(settings).user or ("this nkey" if settings.nats_nkey_seed else "this service")
        return (
            f"the broker at {shown(settings)} does not let {who} in: "
            "set NATS_USER and NATS_PASSWORD, NATS_NKEY_SEED or NATS_TOKEN to what it knows"
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate of the broker at {shown(settings)} is not to be trusted ({error}); set NATS_TLS_CA"
    if isinstance(error, Unencrypted):
        return f"{error} at {shown(settings)}, and NATS_URL or NATS_TLS_CA asks for it: nothing was sent"
    if isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or "").upper():
        return f"the broker at {shown(settings)} refused the encryption ({error}); set NATS_TLS_CERT and NATS_TLS_KEY"
    return ""


def _files(settings: BusSettings) -> list[tuple[str, str]]:
    return [
        ("NATS_TLS_CA", settings.nats_tls_ca),
        ("NATS_TLS_CERT", settings.nats_tls_cert),
        ("NATS_TLS_KEY", settings.nats_tls_key),
    ]
