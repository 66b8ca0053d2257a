"""The words of the command line."""

import argparse
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

SERVICES = {
    "edge": "the WebSocket server",
    "stt": "speech to text",
    "llm": "the language model",
    "tts": "text to speech",
}
ENGINES = {
    "stt": ("faster-whisper", "scripted"),
    "llm": ("ollama", "openai", "llama-cpp", "scripted"),
    "tts": ("embedded", "xtts", "scripted"),
}
FILTERS = {
    "stage": "those that this stage gave up",
    "code": "those with this code; `refused` is every refusal",
    "origin": "those of this origin",
    "session": "those of this session",
    "turn": "those of this turn",
}


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; `command` is its first word. Exits with 2 when it makes no sense."""
    parser = argparse.ArgumentParser(
        prog="voicebus",
        description="A spoken question goes in as a WAV; the answer comes out as text and speech, over NATS.",
        epilog="Settings are environment variables, or lines of a file named .env; `voicebus config` shows them.",
    )
    parser.add_argument("--version", action="version", version=f"voicebus {installed_version()}")
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)

    def command(name: str, what: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")

    command("up", "run everything here, a broker and the four services, until Ctrl-C")
    command("demo", "run everything, ask a spoken question and show the answer")
    _say(command("say", "ask a running voicebus; several files are the turns of one conversation"))
    _talk(command("talk", "talk with a running voicebus: microphone and speaker of this machine"))
    _bench(command("bench", "measure how fast a running voicebus answers, or another server with the same /ws"))
    _watch(command("watch", "watch turns as they travel, live; as the observer, where the broker has users"))
    for name, what in SERVICES.items():
        command(name, f"run one service, {what}, on the broker of NATS_URL")
    command("setup", "make the streams on the broker of NATS_URL, and tell what stands there differently")
    _json(command("config", "show the settings in force, and which engines run and why"))
    ready = command("ready", "tell whether a service on this machine is ready; the health check of its container")
    ready.add_argument("service", nargs="?", default="worker", choices=("edge", "worker"), help="default: worker")
    passwords = command("passwords", "make the passwords of the broker's roles, where they are missing")
    passwords.add_argument("folder", type=Path, metavar="FOLDER", help="each role has its own folder in it")
    contract = command("asyncapi", "print the contract of the WebSocket and of the bus as an AsyncAPI document")
    contract.add_argument("--markdown", action="store_true", help="print it as a page to read")
    _turns(command("turns", "list the turns on record (VOICEBUS_RECORD=1)"))
    _show(command("show", "show a turn on record: where its time went, every event, and its sound as files"))
    _replay(command("replay", "run turns on record again through other engines, and compare the answers"))
    _forget(command("forget", "erase a session: its record, answers, dead letters, work that waits, and memory"))
    _dead(command("dead", "look at the messages that were given up; put them back, or drop them"))
    _json(command("doctor", "check what is installed, reachable and loadable, and say what to do about the rest"))
    return parser.parse_args(argv)


def _say(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="a WAV file; - reads one from standard input")
    _edge(parser)
    parser.add_argument("--out", default="", metavar="FILE-or-DIR", help="where the reply goes (default: reply.wav)")
    parser.add_argument("--stream", action="store_true", help="print the answer's words as they come; plays no sound")
    parser.add_argument("--trace", action="store_true", help="draw where the time went, stage by stage")
    _json(parser)


def _talk(parser: argparse.ArgumentParser) -> None:
    _edge(parser)
    for name in ("microphone", "speaker"):
        parser.add_argument(f"--{name}", default="", metavar="NAME-or-NUMBER", help=f"which {name} (default: yours)")


def _edge(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", default="", help="the edge (default: ws://127.0.0.1:PORT/ws)")
    parser.add_argument("--key", default="", help="the API key, better in VOICEBUS_KEY: others see a command's words")
    parser.add_argument("--session", default="", help="go on with a conversation")
    parser.add_argument("--voice", default="", help="who answers, a name of audios/voices.toml")
    parser.add_argument("--language", default="", help="what is spoken, such as pt (default: found out)")
    parser.add_argument("--timeout", type=_seconds, default=60.0, metavar="SECONDS", help="wait so long for an answer")


def _watch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--once", action="store_true", help="print one picture and end")
    parser.add_argument("--origin", default="", help="only turns of this origin")
    parser.add_argument("--text", action="store_true", help="show what is said and answered; needs the operator's user")
    parser.add_argument("--svg", default="", metavar="FILE", help="write the last picture there, as SVG")
    _json(parser)


def _bench(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", default="", help="what to ask (default: ws://127.0.0.1:PORT/ws)")
    parser.add_argument("--key", default="", help="the API key, better in VOICEBUS_KEY: others see a command's words")
    parser.add_argument(
        "--callers", type=_counts, default=[1, 4], metavar="N,N", help="how many ask at once, in turn (default: 1,4)"
    )
    parser.add_argument("--turns", type=_count, default=5, metavar="N", help="questions of each caller (default: 5)")
    parser.add_argument("--wav", default="", metavar="FILE", help="the question (default: the one of the demo)")
    parser.add_argument(
        "--stream", action=argparse.BooleanOptionalAction, default=False, help="ask for the answer in pieces, as spoken"
    )
    parser.add_argument("--timeout", type=_seconds, default=60.0, metavar="SECONDS", help="wait so long for an answer")
    _json(parser)


def _counts(text: str) -> list[int]:
    return [_count(part) for part in text.split(",")]


def _count(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 5000:
        raise argparse.ArgumentTypeError(f"{text} is not between 1 and 5000")
    return number


def _turns(parser: argparse.ArgumentParser) -> None:
    _whose(parser)
    _since_option(parser)
    _json(parser)


def _show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("turn", metavar="TURN", help="its name, as `turns` shows it; `last` is the newest")
    _whose(parser)
    parser.add_argument("--out", default=".", metavar="DIR", help="where the two WAV files go (default: here)")
    _json(parser)


def _replay(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("turns", nargs="*", metavar="TURN", help="as `turns` shows it; `last` is the newest")
    parser.add_argument("--all", action="store_true", help="every turn on record")
    _whose(parser)
    _since_option(parser)
    for stage, engines in ENGINES.items():
        parser.add_argument(f"--{stage}", default="", choices=engines, help=f"run {SERVICES[stage]} again, with this")
    parser.add_argument("--out", default="", metavar="DIR", help="write there what is spoken the second time")
    _json(parser)


def _forget(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--origin", required=True, help="who asked: web, the name of an API key, or another system")
    parser.add_argument("--session", required=True, help="the conversation")
    _json(parser)


def _whose(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--origin", default="", help="only those of this origin")
    parser.add_argument("--session", default="", help="only those of this session")


def _dead(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)

    def action(name: str, what: str) -> argparse.ArgumentParser:
        added = actions.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")
        _json(added)
        return added

    _filters(action("list", "list the dead letters"))
    show = action("show", "show one letter, with all that is known of it")
    show.add_argument("number", type=int, metavar="NUMBER", help="the letter's number, as `list` shows it")
    show.add_argument("--out", default="", metavar="FILE", help="write the original payload there (a WAV, or JSON)")
    _requeue(action("requeue", "put messages back into their queue, as another run of their turn"))
    drop = action("drop", "delete letters for good")
    _several(drop)
    drop.add_argument("--yes", action="store_true", help="do not ask; needed where there is no terminal")


def _requeue(parser: argparse.ArgumentParser) -> None:
    _several(parser)
    parser.add_argument(
        "--timeout", type=_seconds, metavar="SECONDS", help="how long the run may take (default: as first asked, or 60)"
    )
    parser.add_argument("--keep", action="store_true", help="leave the letter where it is")
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--wait", action="store_true", help="wait for the answer and print it; exit with 1 without one")
    way.add_argument("--as-it-is", action="store_true", help="byte for byte, what is no event too")
    parser.add_argument("--out", default="", metavar="FILE-or-DIR", help="where the reply goes (default: reply.wav)")


def _several(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("numbers", nargs="*", type=int, metavar="NUMBER", help="a letter's number, as `list` shows it")
    parser.add_argument("--all", action="store_true", help="every letter")
    _filters(parser)


def _filters(parser: argparse.ArgumentParser) -> None:
    for name, what in FILTERS.items():
        parser.add_argument(f"--{name}", default="", help=f"only {what}")
    _since_option(parser)


def _since_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--since", type=_since, metavar="WHEN", help="only the last 90s, 10m, 2h or 3d, or since 2026-01-31T10:00"
    )


def _since(text: str) -> datetime:
    """A moment, by its distance from now or by its date; UTC where no zone is said."""
    ago = re.fullmatch(r"(\d{1,6})([smhd])", text)
    if ago:
        return datetime.now(UTC) - timedelta(seconds=int(ago[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86_400}[ago[2]])
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is no time: 90s, 10m, 2h, 3d, or 2026-01-31T10:00") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= 600:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 600 seconds")
    return seconds


def installed_version() -> str:
    """The version of voicebus that is installed here."""
    try:
        return version("voicebus")
    except PackageNotFoundError:
        return "(not installed)"
