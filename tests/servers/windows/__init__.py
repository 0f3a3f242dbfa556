"""An LDAPS server for tests that behaves as Active Directory on Windows does where Samba and slapd do not.

A process of its own (`python -m tests.servers.windows`); tests start it with tests.servers.windows_process.
It shares no code with the gateway's codec, so that a mistake there is not hidden by the same mistake here.
"""
