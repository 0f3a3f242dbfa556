"""A directory in the cloud (Entra ID): what a copy of it holds, and the LDAP server that answers from that copy."""
