"""How a socket came to its end: in a word for the metrics, and whether its client meant it."""

from websockets.frames import CloseCode
from websockets.protocol import Protocol

LEFT = "left"
"""The client closed it."""
BROKEN = "broken"
"""The connection ended without a word: a client that vanished, a network that broke."""
SLOW_READER = "slow_reader"
SLOW_SENDER = "slow_sender"
OTHER = "other"

OF_CODE = {
    CloseCode.GOING_AWAY: "stopping",
    CloseCode.PROTOCOL_ERROR: "protocol",
    CloseCode.INVALID_DATA: "protocol",
    CloseCode.MESSAGE_TOO_BIG: "too_large",
    CloseCode.INTERNAL_ERROR: "silent",
    CloseCode.TRY_AGAIN_LATER: "shed",
}
"""What the edge's own close code says; 1011 is sent to a client that left a ping unanswered."""
REASONS = sorted({LEFT, BROKEN, SLOW_READER, SLOW_SENDER, OTHER, *OF_CODE.values()})


def reason(protocol: Protocol) -> str:
    """Why the socket of *protocol* is closed; one word of a small set."""
    if protocol.close_rcvd is not None and protocol.close_rcvd_then_sent is not False:
        return LEFT
    if protocol.close_sent is None:
        return BROKEN
    return OF_CODE.get(CloseCode(protocol.close_sent.code), OTHER)


def goodbye(protocol: Protocol) -> bool:
    """Whether the client closed with 1000: it does not want what it asked for any more."""
    received = protocol.close_rcvd
    return reason(protocol) == LEFT and received is not None and received.code == CloseCode.NORMAL_CLOSURE
