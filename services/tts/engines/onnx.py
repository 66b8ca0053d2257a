"""ONNX models that leave the other services of a machine their cores."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import onnxruntime as ort  # type: ignore[import-untyped]
from numpy.typing import NDArray


class Stop:
    """Ends a computation from another thread, within milliseconds."""

    def __init__(self) -> None:
        self.options = ort.RunOptions()

    def set(self) -> None:
        self.options.terminate = True


class Session(Protocol):
    """A model that is open; several threads may run it at once."""

    def run(
        self, outputs: None, inputs: Mapping[str, NDArray[np.generic]], options: object
    ) -> list[NDArray[np.float32]]:
        """Compute every output. Raises: an error of onnxruntime when a Stop ended it."""
        ...


def session(model: str | bytes, threads: int) -> Session:
    """Open a model, given as a path or as its bytes, on the CPU.

    The default pool spins between two computations, and takes a small machine's cores from everybody else.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    opened: Session = ort.InferenceSession(model, sess_options=options, providers=["CPUExecutionProvider"])
    return opened
