"""The wing of net that has a session at its two sockets, and says how many of them there may be.

It gives octets and events to the state machine of a session (gateway/relay) and carries out the commands that come
back. What is expensive or waits, such as verifying a secret, is done here as well.
"""
