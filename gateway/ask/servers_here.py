"""Whether a command that asks the servers of a directory can do so from this host."""

from __future__ import annotations

from gateway.net.servers.settings import DirectorySettings


def why_not_from_here(directory: DirectorySettings) -> str:
    """Why it cannot, and what to do; "" where it can."""
    if directory.is_copy:
        return (
            f"directory {directory.name} is the copy of a tenant, which this command does not look at yet; "
            "`ldap-gateway entra status` says how the copy is"
        )
    if not directory.link:
        return ""
    return (
        f"directory {directory.name} is reached by link {directory.link}, so its servers cannot be asked from here; "
        "run this command at the gateway inside"
    )
