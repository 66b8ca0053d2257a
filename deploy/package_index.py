"""Finds and downloads a file of the package index that this machine is set up for, with the standard library only."""

from __future__ import annotations

import base64
import configparser
import html.parser
import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# Joined here so that no committed file, and so no mirror of this repository, names the host of a registry.
PUBLIC_INDEX = "https://" + ".".join(("pypi", "org")) + "/simple"
LINK_SETTINGS = ("UV_FIND_LINKS", "PIP_FIND_LINKS")
INDEX_SETTINGS = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")
CERTIFICATE_SETTINGS = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
TIMEOUT_SECONDS = 60
ATTEMPTS = 3
JSON_PAGE = "application/vnd.pypi.simple.v1+json"


class SetupError(Exception):
    """What is missing and what to do about it, as one sentence for a person."""


def configured() -> str | None:
    """The index that the environment or pip's settings name, or None where nobody named one."""
    for name in INDEX_SETTINGS:
        if os.environ.get(name):
            return os.environ[name].rstrip("/")
    return (_pip_setting("index-url") or "").rstrip("/") or None


def folders() -> list[str]:
    """The folders and pages of further packages that the environment or pip's settings name (`find-links`)."""
    named = next((os.environ[name] for name in LINK_SETTINGS if os.environ.get(name)), None)
    return (named or _pip_setting("find-links") or "").replace(",", " ").split()


def address() -> str:
    """The index to ask: the configured one, or the public one."""
    return configured() or PUBLIC_INDEX


def host(url: str) -> str:
    """The host of an address without the password it may hold, for a message."""
    return urllib.parse.urlsplit(url).hostname or url


def find(index: str, project: str, filename: str) -> str:
    """The address of one file of a project. Raises SetupError when the index does not list it."""
    base = f"{index}/{project}/"
    headers = {"Accept": f"{JSON_PAGE}, text/html;q=0.5"}
    page = get(base, headers=headers).decode("utf-8")
    links: list[str] = _urls(page) if page.lstrip().startswith("{") else _hrefs(page)
    for link in links:
        url = urllib.parse.urljoin(base, link)
        if urllib.parse.unquote(urllib.parse.urlsplit(url).path).endswith("/" + filename):
            return urllib.parse.urldefrag(url).url
    raise SetupError(
        f"the package index at {host(index)} does not list {filename}: set UV_DEFAULT_INDEX to one that does."
    )


def get(
    url: str, *, headers: dict[str, str] | None = None, progress: Callable[[int, int], None] | None = None
) -> bytes:
    """The body of an address, asked for a few times. Raises SetupError with the reason when it cannot be had."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _get(url, headers or {}, progress)
        except (OSError, EOFError) as error:  # URLError, HTTPError, time-outs and TLS errors are all OSErrors
            refused = isinstance(error, urllib.error.HTTPError) and error.code < 500
            if attempt == ATTEMPTS or refused or _certificate_error(error):
                raise SetupError(_reason(url, error)) from None
            time.sleep(attempt)
    raise AssertionError("unreachable")


def _get(url: str, headers: dict[str, str], progress: Callable[[int, int], None] | None) -> bytes:
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=_certificates()))
    with opener.open(_request(url, headers), timeout=TIMEOUT_SECONDS) as response:
        total = int(response.headers.get("Content-Length") or 0)
        body = bytearray()
        while block := response.read(1 << 18):
            body += block
            if progress:
                progress(len(body), total)
    if total and len(body) < total:
        raise EOFError("the download stopped halfway")
    return bytes(body)


def _request(url: str, headers: dict[str, str]) -> urllib.request.Request:
    parts = urllib.parse.urlsplit(url)
    user, separator, place = parts.netloc.rpartition("@")
    request = urllib.request.Request(urllib.parse.urlunsplit(parts._replace(netloc=place)), headers=headers)
    if separator:
        token = base64.b64encode(urllib.parse.unquote(user).encode()).decode()
        request.add_header("Authorization", f"Basic {token}")
    return request


def _certificates() -> ssl.SSLContext:
    for name in CERTIFICATE_SETTINGS:
        if os.path.isfile(os.environ.get(name, "")):
            return ssl.create_default_context(cafile=os.environ[name])
    return ssl.create_default_context()


def _certificate_error(error: BaseException) -> bool:
    return isinstance(getattr(error, "reason", error), ssl.SSLCertVerificationError)


def _reason(url: str, error: BaseException) -> str:
    if _certificate_error(error):
        return (
            f"the certificate of {host(url)} cannot be checked: install the system's certificates (Debian's package"
            " ca-certificates), or name a bundle in SSL_CERT_FILE."
        )
    if isinstance(error, urllib.error.HTTPError):
        why = f"it answered {error.code} {error.reason}"
    else:
        why = str(getattr(error, "reason", error)) or type(error).__name__
    place = f"the package index at {host(url)}"
    return f"no answer from {place} ({why}): check the network, or name a mirror in UV_DEFAULT_INDEX."


def _urls(page: str) -> list[str]:
    return [file["url"] for file in json.loads(page)["files"]]


def _hrefs(page: str) -> list[str]:
    links: list[str] = []

    class Anchors(html.parser.HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            links.extend(value for name, value in attrs if tag == "a" and name == "href" and value)

    Anchors().feed(page)
    return links


def _pip_setting(name: str) -> str | None:
    for path in _pip_settings():
        settings = configparser.RawConfigParser(strict=False)
        try:
            settings.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError):
            continue
        for section in ("install", "global"):
            if settings.has_option(section, name):
                return settings.get(section, name)
    return None


def _pip_settings() -> list[Path]:
    """pip's own settings files, the strongest first."""
    named = os.environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:  # pip's way to say: read none
        return []
    home = Path.home()
    user = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    files = [Path(named)] if named else []
    if sys.platform == "darwin":
        files.append(home / "Library/Application Support/pip/pip.conf")
    return [*files, user / "pip/pip.conf", home / ".pip/pip.conf", Path("/etc/xdg/pip/pip.conf"), Path("/etc/pip.conf")]
