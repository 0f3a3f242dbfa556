"""The gateway's way to its sockets: all input and output of sessions, and nothing of what a request may do.

A connection of a client passes the wings in this order: listeners accept it, sessions drive its state machine
(gateway/relay), servers connect it to a directory, and transport carries the octets on both sides. A wing imports only
from wings below it: listeners, sessions, servers, transport.
"""
