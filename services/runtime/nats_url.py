"""NATS_URL, read once: for who connects, for what is shown to people, and for what is said of a wrong one."""

import re
from urllib.parse import unquote

from msgspec import Struct

from .errors import SettingsError

SCHEMES = ("nats", "tls", "ws", "wss")
PORT = 4222
HOW = (
    "write nats://host:4222, or several with commas; in a user or a password write , @ : / ? # and % as %2C %40 %3A "
    "%2F %3F %23 %25, or set NATS_USER and NATS_PASSWORD"
)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_HOST = re.compile(r"[A-Za-z0-9._-]+")
_ADDRESS = re.compile(
    r"\[(?P<six>[0-9A-Fa-f:.]+)\](?::(?P<port6>.*))?|(?P<host>[^:\[\]]*)(?::(?P<port>.*))?", re.DOTALL
)


class Server(Struct, frozen=True):
    """One broker of NATS_URL."""

    scheme: str
    host: str
    port: int
    user: str = ""
    password: str = ""
    token: str = ""

    @property
    def address(self) -> str:
        """Where it is, without who asks."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def read(text: str) -> tuple[Server, ...]:
    """The brokers of a NATS_URL: commas between them, quotation marks around all, and a comma at the end do no harm.

    Raises: SettingsError, which quotes nothing of it: it may hold a password.
    """
    bare = text.strip().strip("\"'")
    parts = [part.strip() for part in bare.split(",")]
    servers = tuple(_server(part, place) for place, part in enumerate(parts, 1) if part)
    if not servers:
        raise SettingsError(f"NATS_URL: there is no address in it; {HOW}")
    if len({(server.user, server.password, server.token) for server in servers}) > 1:
        raise SettingsError("NATS_URL: its servers have different users; give all the same, or set NATS_USER")
    return servers


def shown(text: str) -> str:
    """The addresses for people; of what cannot be read nothing."""
    try:
        return ", ".join(server.address for server in read(text))
    except SettingsError:
        return "NATS_URL"


def _server(part: str, place: int) -> Server:
    wrong = f"NATS_URL: server {place}"
    match = _SCHEME.fullmatch(part)
    scheme, rest = (match[1].lower(), match[2]) if match else ("nats", part)
    if scheme not in SCHEMES:
        raise SettingsError(f"{wrong} begins with {scheme}://, which is none of {', '.join(SCHEMES)}; {HOW}")
    who, _, where = rest.rpartition("@")
    host, port = _address(where.rstrip("/"), wrong)
    user, colon, password = (unquote(each) for each in who.partition(":"))
    token = "" if colon or not who else user
    return Server(scheme, host, port, "" if token else user, password, token)


def _address(where: str, wrong: str) -> tuple[str, int]:
    found = _ADDRESS.fullmatch(where)
    host = (found["six"] or found["host"]) if found else ""
    if not found or not host or not (found["six"] or _HOST.fullmatch(host)):
        raise SettingsError(f"{wrong} has no host name that can be read; {HOW}")
    port = found["port6"] if found["six"] else found["port"]
    if port is None:
        return host, PORT
    if not (port.isascii() and port.isdigit() and 0 < int(port) <= 65535):
        raise SettingsError(f"{wrong} has a port that is no number from 1 to 65535; {HOW}")
    return host, int(port)
