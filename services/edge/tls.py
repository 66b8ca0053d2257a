"""TLS of the edge, where TLS_CERT names a certificate."""

import ssl

from services.runtime.errors import SettingsError

from .settings import EdgeSettings


def context(settings: EdgeSettings) -> ssl.SSLContext | None:
    """The server's side of TLS; None where no certificate is set. Reads files: not for the event loop.

    Raises: SettingsError.
    """
    if not settings.tls_cert:
        if settings.tls_key:
            raise SettingsError("TLS_KEY: there is no TLS_CERT that it belongs to; set both, or neither")
        return None
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    found.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # The password keeps OpenSSL from asking for one on the terminal.
        found.load_cert_chain(settings.tls_cert, settings.tls_key or None, password="")
    except (OSError, ValueError) as error:
        files = " and ".join(repr(file) for file in (settings.tls_cert, settings.tls_key) if file)
        raise SettingsError(f"TLS_CERT, TLS_KEY: {files} cannot be used ({error}); they must be PEM files") from error
    return found
