"""`voicebus asyncapi`: the contract of the WebSocket and of the bus as an AsyncAPI document, or as a page."""

import argparse
import sys

from . import asyncapi_document, asyncapi_page


def run(words: argparse.Namespace) -> int:
    """Print it."""
    sys.stdout.write(asyncapi_page.text() if words.markdown else asyncapi_document.text())
    return 0
