"""The lowest wing of net: octets between the system's sockets and the protocols above, with TLS and time limits.

stream.py is one connection, tls_layer.py its TLS, flow.py what waits to be written, reading.py when it is read, and
timers.py every time limit. Clients' and servers' connections go through the same code.
"""
