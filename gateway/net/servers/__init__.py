"""The wing of net that knows the servers of a directory, and connects a session to one of them.

It finds the servers, keeps in mind which of them work, and chooses one when a session needs its connection.
"""
