"""`voicebus setup`: make the streams that are missing on a broker, tell what stands there differently."""

import argparse
import asyncio

from services.runtime import log, settings

from . import console, provisioning


def run(words: argparse.Namespace) -> int:
    """Make the streams on the broker of NATS_URL; what stands differently is left as it is.

    Raises: StartError, SettingsError.
    """
    log.configure(settings.load(log.LogSettings), "setup")
    differences = asyncio.run(provisioning.make_streams(settings.environment()))
    for difference in differences:
        console.say(difference)
    if differences:
        console.say("These stand as they were: change the STREAM_* settings, or edit them with `nats stream edit`.")
    print("streams stand, with differences" if differences else "streams stand")  # noqa: T201
    return 0
