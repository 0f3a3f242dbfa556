"""LDAP v3 as values (RFC 4511 to 4515): no I/O, no policy. mypyc compiles this room; it runs uncompiled too."""
