"""File descriptors: each session takes two, one for the client and one for the server.

At the start the limit of the process is raised here to what the configuration may need. No connection passes here.
"""

from __future__ import annotations

import resource

# Listeners, log, audit, the state's database, and what libraries hold.
BESIDES = 64


def make_room(sessions: int) -> str | None:
    """Raises this process's soft limit of open files to what so many sessions need, as far as the hard limit lets it.

    What an administrator should know where that is not enough, None otherwise. Beyond the limit nothing breaks:
    connections are closed as soon as they are accepted (Twisted keeps a descriptor in reserve for that), and a
    session that gets none for its server connection is told `unavailable`.
    """
    wanted = 2 * sessions + BESIDES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return None
    possible = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if possible > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (possible, hard))
    if possible == wanted:
        return None
    return (
        f"limits.sessions: {sessions} sessions need {wanted} open files and the limit is {possible}: raise it "
        "(systemd: LimitNOFILE, ulimit -Hn) or lower limits.sessions"
    )
