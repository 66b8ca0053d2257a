"""A socket is an open file, and many systems give a process 1024 or fewer of them unless it asks."""

import resource

import structlog

OTHERS = 128
"""Files that are open beside the sockets of clients."""

log = structlog.get_logger()


def allow(sockets: int) -> None:
    """Ask the operating system for as many open files as *sockets* clients need; warn when it does not give them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = sockets + OTHERS
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    given = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (given, hard))
    if given < wanted:
        log.warning("open_files_limited", allowed=given, wanted=wanted, mend="raise `ulimit -n`, or lower MAX_SOCKETS")
