"""How large a deployment has to be: from measured figures, and from assumptions that a reader replaces."""

from collections.abc import Mapping
from math import ceil, inf

from msgspec import Struct, field

from . import clients
from .backlog import Backlog
from .curve import Curve
from .point import LINEAR
from .sockets import Sockets

CALLERS = (10, 100, 1_000, 10_000, 100_000, 1_000_000)
STAGES = ("stt", "llm", "tts")
QUESTION_BYTES = 44 + 2 * clients.SAMPLES
"""A WAV of 3.6 s at 16 kHz, 16 bits."""
ANSWER_BYTES = 44 + 2 * round(2.8 * 24_000)
"""A WAV of 2.8 s at 24 kHz, 16 bits."""


class Measured(Struct, frozen=True):
    """What this project has measured."""

    cpu_ms: Mapping[str, float]
    """Milliseconds of a core that a turn costs in each role, engines aside."""
    socket_kib: Mapping[str, float]
    """Memory that an open socket takes in the edge and in the broker."""
    process_mib: Mapping[str, float]
    """Memory of one process of each role under load, engines aside."""
    stream_a_second: float
    """Questions a second that one stream was seen to store, a lower bound."""


class Assumed(Struct, frozen=True):
    """What a reader replaces by figures of his own."""

    turns_a_minute: float = 3.0
    """Questions a minute of one caller: a question, its answer, and a thought each 20 s."""
    cores_used: float = 0.6
    """The share of its cores that a machine is planned to use: the rest is for peaks."""
    edge_sockets: int = 5_000
    """MAX_SOCKETS."""
    broker_cores: int = 8
    """Of each of the three brokers of a cluster."""
    replicas: int = 3
    """STREAM_REPLICAS."""
    answer_seconds: float = 120.0
    """STREAM_ANSWER_SECONDS."""
    link_gbit: float = 10.0
    """Of a broker's network, each way."""
    link_used: float = 0.5
    """The share of it that is planned to be used."""
    gpu_ms: Mapping[str, float] = field(default_factory=lambda: {"stt": 100.0, "llm": 400.0, "tts": 500.0})
    """Milliseconds of a GPU that a turn takes in each stage. Not measured here: placeholders."""
    gpu_used: float = 0.7


class Size(Struct, frozen=True):
    """A deployment."""

    callers: int
    turns_a_second: float
    edges: int
    edge_gib: float
    """Memory of all edges."""
    clusters: int
    """Deployments side by side, each with three brokers of its own."""
    stage_cores: float
    """Cores of all stt, llm and tts processes, engines aside."""
    gpus: Mapping[str, int]
    client_gbit: tuple[float, float]
    """From the clients, and to them."""
    bus_gbit: float
    """All that brokers receive from services, send to them, and send one another."""


def measured(edges: Curve, sockets: Sockets, backlog: Backlog) -> Measured:
    """The figures that count: of the largest point of *edges* that still grew evenly."""
    each = edges.points[0].turns_a_second / edges.points[0].size
    even = [point for point in edges.points if point.turns_a_second >= LINEAR * each * point.size]
    point = even[-1]
    processes = {"edge": point.size, "stt": 2}
    return Measured(
        cpu_ms={role: round(point.cpu_ms(role), 2) for role in ("edge", "broker", *STAGES)},
        socket_kib={role: sockets.kib_a_socket[role] for role in ("edge", "broker")},
        process_mib={
            role: round(mib / processes.get(role, 1)) for role, mib in point.rss_mib.items() if role != "clients"
        },
        stream_a_second=round(backlog.turns / backlog.publish_s),
    )


def size(callers: int, known: Measured, assumed: Assumed) -> Size:
    """The deployment for *callers* at once."""
    turns = callers * assumed.turns_a_minute / 60
    edges = max(ceil(callers / assumed.edge_sockets), ceil(turns / edge_turns(known, assumed)))
    there, back = (8 * turns * bytes_ / 1e9 for bytes_ in (QUESTION_BYTES, ANSWER_BYTES))
    return Size(
        callers=callers,
        turns_a_second=turns,
        edges=edges,
        edge_gib=(edges * known.process_mib["edge"] + callers * known.socket_kib["edge"] / 1024) / 1024,
        clusters=ceil(turns / cluster_turns(known, assumed)),
        stage_cores=sum(turns * known.cpu_ms[stage] for stage in STAGES) / 1000 / assumed.cores_used,
        gpus={stage: ceil(turns * ms / 1000 / assumed.gpu_used) for stage, ms in assumed.gpu_ms.items()},
        client_gbit=(there, back),
        bus_gbit=(there + back) * (1 + assumed.replicas),
    )


def edge_turns(known: Measured, assumed: Assumed) -> float:
    """Turns a second of one edge, which is one process and in the main one core."""
    return 1000 * assumed.cores_used / known.cpu_ms["edge"]


def cluster_limits(known: Measured, assumed: Assumed) -> dict[str, float]:
    """Turns a second of one cluster of three brokers, by what ends it."""
    leader_bytes = assumed.replicas * max(QUESTION_BYTES, ANSWER_BYTES)
    cores = 3 * assumed.broker_cores * assumed.cores_used
    return {
        "CPU": cores * 1000 / (assumed.replicas * known.cpu_ms["broker"]),
        "network": assumed.link_gbit * assumed.link_used * 1e9 / 8 / leader_bytes,
        "stream": known.stream_a_second,
    }


def answer_mib(turns: float, assumed: Assumed) -> int:
    """What STREAM_ANSWER_MIB must be for *turns* a second, so that no answer is forgotten before its time."""
    return ceil(turns * ANSWER_BYTES * assumed.answer_seconds / 2**20)


def cluster_turns(known: Measured, assumed: Assumed) -> float:
    """The lowest of its limits."""
    return min(cluster_limits(known, assumed).values(), default=inf)
