"""The copy of a tenant behind the gateway, with real processes: the stand-in, `entra run`, the gateway, ldap3."""

import json
import subprocess
import sys
import time

import ldap3
import pytest
import yaml
from argon2 import PasswordHasher
from ldap3.core.exceptions import LDAPException

from gateway.demo.certificates import make_certificates
from gateway.demo.tenant.authority import App
from gateway.demo.tenant.cloud import Cloud, ServedCloud
from gateway.demo.tenant.made_up import make_tenant
from gateway.demo.tenant.model import Kind
from tests.servers.gateway_process import PATIENCE, ROOT, GatewayProcess
from tests.servers.sync_client import connect

TENANT = "11111111-2222-4333-8444-555555555555"
CLIENT = "66666666-7777-4888-9999-000000000000"
APP_SECRET = "LEAK-secret-of-the-app"
BASE = "DC=corp,DC=example"
SYNC, SECRET = "cloud-sync", "Outer-Passw0rd-of-the-service"
HASH = PasswordHasher(5, 7_168, 1).hash(SECRET)
WITH_MAIL = "(&(objectCategory=person)(objectClass=user)(mail=*))"
UNAVAILABLE, INVALID_CREDENTIALS = 52, 49


class Tenant:
    """A tenant, and the configuration of a gateway whose directory is a copy of it."""

    def __init__(self, directory, server, authorities):
        self.server = server
        self.socket = directory / "entra.sock"
        self.token_file = directory / "entra.token"
        self.config = directory / "gateway.yaml"
        self.log = directory / "entra.log"
        (directory / "secret").write_text(APP_SECRET)
        (directory / "secret").chmod(0o600)
        self.entra = {
            "tenant": TENANT,
            "client_id": CLIENT,
            "secret_file": str(directory / "secret"),
            "base_dn": BASE,
            "socket": str(self.socket),
            "token_file": str(self.token_file),
            "store": str(directory / "copy.db"),
            "interval": "10s",
            "login_url": server.origin,
            "graph_url": server.origin,
            "ca_file": str(authorities),
        }

    def text(self, listener):
        return yaml.safe_dump(
            {
                "listeners": [
                    {
                        "address": "127.0.0.1:0",
                        "certificate": str(listener.certificate),
                        "private_key": str(listener.private_key),
                    }
                ],
                "admin": None,
                "directories": {"cloud": {"entra": self.entra}},
                "clients": {
                    "service": {
                        "sources": ["127.0.0.0/8"],
                        "directory": "cloud",
                        "credentials": {"mode": "mapped", "accounts": {SYNC: {"hashes": [HASH]}}},
                        "base_dns": [BASE],
                        "attributes": ["mail", "displayName", "objectGUID", "objectClass", "objectCategory"],
                        "filter_attributes": ["mail", "objectClass", "objectCategory"],
                    }
                },
            }
        )

    def command(self, *words):
        """Of `ldap-gateway entra`."""
        return [sys.executable, "-m", "gateway", "entra", *words, "-c", str(self.config)]

    def ask(self, *words):
        return subprocess.run(self.command(*words), cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)

    def start(self):
        """A process that keeps the copy."""
        with self.log.open("a") as log:
            process = subprocess.Popen(self.command("run"), cwd=ROOT, stdin=subprocess.DEVNULL, stderr=log)
        until = time.monotonic() + PATIENCE
        while not self.socket.exists():
            assert process.poll() is None and time.monotonic() < until, self.log.read_text()
            time.sleep(0.02)
        return process

    def wait(self, status):
        """Until `entra status` ends with it. Returns what it said."""
        until = time.monotonic() + PATIENCE
        while (said := self.ask("status", "--json")).returncode != status:
            assert time.monotonic() < until, said.stdout + said.stderr + self.log.read_text()
            time.sleep(0.2)
        return json.loads(said.stdout)


def end(process):
    process.terminate()
    assert process.wait(PATIENCE) == 0


@pytest.fixture
def tenant(tmp_path):
    directory = tmp_path / "tls"
    directory.mkdir()
    files = make_certificates(directory, "cloud")
    with ServedCloud(Cloud(make_tenant(), App(TENANT, CLIENT, APP_SECRET)), files) as server:
        yield Tenant(tmp_path, server, files.ca_file)


def signed_in(gateway, certificates):
    """A session of the service; its result tells how its bind ended."""
    return connect("127.0.0.1", gateway.port, certificates.ca_file, SYNC, SECRET)


def found_mail(connection):
    """The result code and the addresses."""
    connection.search(BASE, WITH_MAIL, attributes=["mail"])
    return connection.result["result"], sorted(str(entry.mail) for entry in connection.entries)


def test_a_copy_behind_the_gateway_is_whole_or_an_error(tenant, tmp_path, certificates):
    tenant.config.write_text(tenant.text(certificates))
    before = subprocess.run(
        [sys.executable, "-m", "gateway", "check", "-c", str(tenant.config)], cwd=ROOT, capture_output=True, text=True
    )
    assert before.returncode == 2
    assert "there is no token yet; `ldap-gateway entra run` makes it" in before.stdout + before.stderr

    # Graph answers nothing yet, so nothing is published.
    app = tenant.server.cloud.authority.app
    tenant.server.cloud.authority.app = App(TENANT, CLIENT, "another")
    process = tenant.start()
    try:
        with GatewayProcess(tmp_path, tenant.text(certificates)) as gateway:
            client = signed_in(gateway, certificates)
            assert found_mail(client) == (UNAVAILABLE, [])
            stopped = tenant.wait(1)
            assert not stopped["served"] and "AADSTS7000215" in str(stopped)
            end(process)

            # Nobody keeps the copy: nobody signs in, and a session that is open gets an error.
            assert signed_in(gateway, certificates).result["result"] == UNAVAILABLE
            gateway.wait_for("is `ldap-gateway entra run` running?")

            tenant.server.cloud.authority.app = app
            process = tenant.start()
            tenant.wait(0)
            client = signed_in(gateway, certificates)
            people = tenant.server.cloud.tenant.present(Kind.users)
            model = sorted(
                each.properties["mail"]
                for each in people
                if each.properties.get("mail") and each.properties.get("userType") != "Guest"
            )
            assert model and found_mail(client) == (0, model)

            # A person has no business here, and the app's token is nobody's password.
            person = ldap3.Connection(client.server, f"CN=x,OU=Users,{BASE}", "Passw0rd")
            assert not person.bind() and person.result["result"] == INVALID_CREDENTIALS
            assert tenant.ask("once").returncode == 2

            end(process)
            with pytest.raises(LDAPException):
                found_mail(client)
            shown = gateway.log() + gateway.audit_text() + tenant.log.read_text()
            token = tenant.token_file.read_text().strip()
            assert not any(secret in shown for secret in (APP_SECRET, SECRET, token))
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
