"""Who is let in: the key, the web page that asks, and what an address holds already."""

import ipaddress
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import structlog
from websockets.datastructures import Headers

from bus_schemas import codes
from services.runtime.errors import Refused

from . import handshake, keys
from .keys import Key
from .limits import Share, Turns
from .settings import EdgeSettings

MANY_ADDRESSES = 10_000
"""So many addresses are remembered for their turns; then those that have all their turns again are forgotten."""
STRANGERS_SOCKETS = 256
"""Open sockets of one address, where anybody may ask and nobody has set a limit."""
PORTS = {"http": 80, "https": 443}
EVERY_PAGE = "*"

log = structlog.get_logger()


class Gate:
    """What an edge knows of those who ask it. *clock* gives seconds.

    Raises: SettingsError for keys that cannot be read.
    """

    def __init__(self, settings: EdgeSettings, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock
        self._keys = keys.read(settings.api_keys)
        self._of_keys = {key.name: Turns(key.per_minute, key.at_once) for key in self._keys}
        self._of_addresses: dict[str, Turns] = {}
        self._sockets: Counter[str] = Counter()

    def key(self, headers: Headers) -> Key | None:
        """Whose key a handshake brings; None where there are no keys.

        Raises: Refused with UNAUTHORIZED.
        """
        return keys.caller(self._keys, headers) if self._keys else None

    def check_page(self, headers: Headers) -> None:
        """Refuse a web page of another site: it would speak in the name of whoever looks at it.

        Raises: Refused with ORIGIN.
        """
        allowed = self._settings.allowed_origins.replace(",", " ").split()
        page = ", ".join(headers.get_all("Origin"))
        if not page or page in allowed or EVERY_PAGE in allowed or self._own(page, headers):
            return
        raise Refused(
            codes.ORIGIN, f"Pages of {page[:100]} may not ask here: the operator allows them in ALLOWED_ORIGINS."
        )

    def page(self, headers: Headers) -> str:
        """The web page that asks, where it may read the answer; empty for a program, and for a page that may not."""
        try:
            self.check_page(headers)
        except Refused:
            return ""
        return ", ".join(headers.get_all("Origin"))

    def crowded(self, host: str) -> bool:
        """Whether the address *host* has all the sockets that one may have."""
        limit = self._settings.max_sockets_per_address or (0 if self._known else STRANGERS_SOCKETS)
        return bool(limit) and self._sockets[_party(host)] >= limit

    @property
    def _known(self) -> bool:
        """Whether who asks is known: by a key, or because it is this very machine."""
        return bool(self._keys) or handshake.is_loopback(self._settings.host)

    @contextmanager
    def socket(self, host: str, key: Key | None) -> Iterator[Share]:
        """Count a socket from the address *host* while it is open; gives its share of what its party may ask."""
        address = _party(host)
        self._sockets[address] += 1
        share = Share(self._of_keys[key.name] if key else self._turns_of(address))
        try:
            yield share
        finally:
            share.close()
            self._sockets[address] -= 1
            if not self._sockets[address]:
                del self._sockets[address]

    def tell(self) -> None:
        """Log who may ask."""
        here = handshake.is_loopback(self._settings.host)
        if self._keys:
            log.info("keys_read", origins=sorted(self._of_keys))
        elif here:
            log.info("edge_is_open", host=self._settings.host, to="this machine alone; set API_KEYS before HOST")
        else:
            log.warning("edge_is_open", host=self._settings.host, to="everybody who reaches it: set API_KEYS")

    def _own(self, page: str, headers: Headers) -> bool:
        """Whether a page came from this very host.

        On loopback without keys the name must mean this machine, too: any site can have its name point to 127.0.0.1.
        """
        origin = _place(page, "")
        host = _place(f"//{', '.join(headers.get_all('Host'))}", page.partition(":")[0].lower())
        if not host[0] or origin != host:
            return False
        return bool(self._keys) or not handshake.is_loopback(self._settings.host) or handshake.is_loopback(host[0])

    def _turns_of(self, address: str) -> Turns:
        if not self._settings.turns_per_minute:
            return Turns()
        if address not in self._of_addresses and len(self._of_addresses) >= MANY_ADDRESSES:
            self._forget()
        return self._of_addresses.setdefault(address, Turns(self._settings.turns_per_minute))

    def _forget(self) -> None:
        now = self._clock()
        self._of_addresses = {
            address: turns
            for address, turns in self._of_addresses.items()
            if self._sockets[address] or not turns.fresh(now)
        }


def _place(text: str, scheme: str) -> tuple[str, int]:
    """Host and port of an origin or of a Host header; nothing where it is neither."""
    try:
        parts = urlsplit(text, scheme)
        return (parts.hostname or "", parts.port or PORTS.get(parts.scheme, 0))
    except ValueError:
        return ("", 0)


def _party(host: str) -> str:
    """Whose address it is: an IPv6 network of 64 bits is one party's."""
    try:
        ip = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    return str(ip.ipv4_mapped or ipaddress.ip_network((ip, 64), strict=False))
