"""The words of the command line."""

import argparse
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

SERVICES = {
    "edge": "the WebSocket server",
    "stt": "speech to text",
    "llm": "the language model",
    "tts": "text to speech",
}


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; `command` is its first word. Exits with 2 when it makes no sense."""
    parser = argparse.ArgumentParser(
        prog="voicebus",
        description="A spoken question goes in as a WAV; the answer comes out as text and speech, over NATS.",
        epilog="Settings are environment variables, or lines of a file named .env; `voicebus config` shows them.",
    )
    parser.add_argument("--version", action="version", version=f"voicebus {_version()}")
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)

    def command(name: str, what: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")

    command("up", "run everything here, a broker and the four services, until Ctrl-C")
    command("demo", "run everything, ask a spoken question and show the answer")
    _say(command("say", "ask a running voicebus; several files are the turns of one conversation"))
    for name, what in SERVICES.items():
        command(name, f"run one service, {what}, on the broker of NATS_URL")
    command("setup", "make the streams on the broker of NATS_URL, and tell what stands there differently")
    _json(command("config", "show the settings in force, and which engines run and why"))
    _json(command("doctor", "check what is installed, reachable and loadable, and say what to do about the rest"))
    return parser.parse_args(argv)


def _say(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="a WAV file; - reads one from standard input")
    parser.add_argument("--url", default="", help="the edge (default: ws://127.0.0.1:PORT/ws)")
    parser.add_argument("--key", default="", help="the API key, better in VOICEBUS_KEY: others see a command's words")
    parser.add_argument("--session", default="", help="go on with a conversation")
    parser.add_argument("--voice", default="", help="who answers, a name of audios/voices.toml")
    parser.add_argument("--language", default="", help="what is spoken, such as pt (default: found out)")
    parser.add_argument("--timeout", type=_seconds, default=60.0, metavar="SECONDS", help="wait so long for an answer")
    parser.add_argument("--out", default="", metavar="FILE-or-DIR", help="where the reply goes (default: reply.wav)")
    parser.add_argument("--trace", action="store_true", help="draw where the time went, stage by stage")
    _json(parser)


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= 600:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 600 seconds")
    return seconds


def _version() -> str:
    try:
        return version("voicebus")
    except PackageNotFoundError:
        return "(not installed)"
