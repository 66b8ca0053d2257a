"""SmolLM2 behind llama.cpp's own HTTP server, for the contenders that ask a model over HTTP: `... PORT MODEL`.

Its threads do not spin, and it is told to be greedy and not to repeat itself, as voicebus does: the peers get it at its
best.
"""

import sys
import threading

import xllamacpp  # type: ignore[import-untyped]

PARALLEL = 2
CONTEXT = 4096
THREADS = 2


def main(port: int, model: str) -> None:
    """Serve until killed."""
    params = xllamacpp.CommonParams()
    params.model.path = model
    params.port = port
    params.n_parallel = PARALLEL
    params.n_ctx = CONTEXT * PARALLEL
    for threads in (params.cpuparams, params.cpuparams_batch):
        threads.n_threads = THREADS
        threads.poll = 0
    params.sampling.penalty_repeat = 1.1
    params.sampling.temp = 0.0
    params.verbosity = -1
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)  # noqa: T201 - for the log
    threading.Event().wait()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
