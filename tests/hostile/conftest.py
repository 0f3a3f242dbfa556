"""Certificates and gateways of the same kinds as the other tests have."""

from tests.net.conftest import certificates, server_certificates
from tests.servers.conftest import start_gateway, via

__all__ = ["certificates", "server_certificates", "start_gateway", "via"]
