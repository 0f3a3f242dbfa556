"""The first wing of net on the way of a connection: it accepts, and judges the source before it reads anything.

listening.py holds the sockets, listener.py judges each connection, and proxied.py waits for the PROXY header where one
must come. What is let in goes on to a session (gateway/net/sessions).
"""
