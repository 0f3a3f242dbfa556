"""Each side of a session is read only while the other can take what comes."""

from __future__ import annotations

from time import monotonic

from gateway.net.sessions.client_side import ClientSide
from gateway.net.sessions.server_side import ServerSide
from gateway.relay.session import Session


def apply_back_pressure(session: Session, client: ClientSide, server: ServerSide) -> bool:
    """Pauses reading from a side, or goes on with it; from the client only while the session wants more. The session's
    clocks stand still meanwhile. Whether reading went on anywhere, so that a deadline may be earlier."""
    if session.closed:
        return False
    client_full = client.full
    released = False
    hold_client = client_full or server.full or not session.client.reads
    if hold_client != client.held:
        client.hold(hold_client)
        clocks = session.client.clocks
        if hold_client:
            clocks.hold(monotonic())
        else:
            clocks.release(monotonic())
            released = True
    if client_full != server.held and server.connected:
        server.hold(client_full)
        clock = session.server.clock
        if client_full:
            clock.hold(monotonic())
        else:
            clock.release(monotonic())
            released = True
    return released
