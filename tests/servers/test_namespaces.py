"""The link where nothing leads from the DMZ into the LAN: a firewall drops and counts whatever would."""

import contextlib
import json
import socket
import ssl
import subprocess
from urllib.request import urlopen

import pytest
from argon2 import PasswordHasher

from tests.servers.gateway_process import GatewayProcess, configuration
from tests.servers.link_ends import LinkKeys, inside_of, outside_of
from tests.servers.memory import memory_of
from tests.servers.namespaces import CLIENT, LINK, OUTSIDE, SERVER, Site
from tests.servers.raw_client import RawClient
from tests.servers.slapd import Slapd
from tests.servers.slapd_tree import CONTACTS, GROUPS, STAFF, SYNC_ACCOUNT, SYNC_PASSWORD
from tests.servers.whole_reads import read, read_directly

NAME, SECRET = "mimecast-sync", "Outer-Passw0rd-in-the-DMZ"
BASES = (STAFF, GROUPS, CONTACTS)
ATTRIBUTES = ("mail", "displayName", "cn", "member", "memberOf", "objectClass")
# A name that stands nowhere else, in the server's certificate.
SERVER_NAME = "dc7.needle-in-the-lan.example"


@pytest.fixture
def site():
    with Site() as made:
        yield made


@pytest.fixture
def server(site):
    with site.lan.entered(), Slapd(address=SERVER, names=(SERVER_NAME, SERVER)) as running:
        yield running


@pytest.fixture
def ends(site, server, certificates, tmp_path):
    """The outside and the inside, started."""
    own_password = tmp_path / "own.password"
    own_password.write_text(f"{SYNC_PASSWORD}\n")
    own_password.chmod(0o600)
    account = {
        "hashes": [PasswordHasher(5, 7_168, 1).hash(SECRET)],
        "bind_dn": SYNC_ACCOUNT,
        "password_file": str(own_password),
    }
    client = {
        "sources": [f"{CLIENT}/32"],
        "base_dns": BASES,
        "attributes": ATTRIBUTES,
        "credentials": {"mode": "mapped", "accounts": {NAME: account}},
    }
    directory = server.gateway_directory | {"servers": [{"url": server.url, "server_name": SERVER_NAME}]}
    whole = json.loads(configuration(certificates, directory, client, admin={"address": "127.0.0.1:0"}))
    whole["listeners"][0]["address"] = f"{OUTSIDE}:636"
    keys = LinkKeys(tmp_path, address=f"{LINK}:8636")
    with contextlib.ExitStack() as started:
        for name, namespace, text in (
            ("outside", site.dmz, outside_of(json.dumps(whole), keys)),
            ("inside", site.lan, inside_of(json.dumps(whole), keys)),
        ):
            (tmp_path / name).mkdir()
            with namespace.entered():
                process = started.enter_context(GatewayProcess(tmp_path / name, text))
            if name == "outside":
                outside = process
        outside.wait_for("link inside: agent inside-1 is here")
        yield outside, process
        assert process.stop() == 0
        assert outside.stop() == 0
        assert "Traceback" not in outside.log() + process.log()


def test_a_sync_is_complete_and_nothing_begins_from_the_dmz(site, server, ends, certificates):
    outside, inside = ends
    account = (SYNC_ACCOUNT, SYNC_PASSWORD)
    with site.lan.entered():
        direct = read_directly(server.url, server.certificates.ca_file, account, BASES, ATTRIBUTES)
    with site.inet.entered(), RawClient(636, certificates.ca_file, source=CLIENT, host=OUTSIDE) as client:
        assert client.bind(NAME, SECRET) == 0
        whole = read(client, BASES, ATTRIBUTES)
    assert whole.code == 0
    assert whole.entries == direct
    assert len(whole.entries) > 500

    # No route leads from the outside to the server, and what it sends towards the LAN all the same is dropped.
    assert site.inward == 0
    with pytest.raises(subprocess.CalledProcessError):
        site.dmz.run("ip", "route", "get", SERVER)
    check_needles(outside, inside, server, site)
    site.dmz.run("ip", "route", "add", "10.20.30.0/24", "via", "192.0.2.1")
    with site.dmz.entered(), pytest.raises(TimeoutError):
        socket.create_connection((SERVER, server.port), 0.2)
    assert site.inward > 0


def check_needles(outside, inside, server, site):
    """Nothing of the directory's server is in the outside's memory, files, log, metrics or audit; what is there is in
    the inside's, by the same search."""
    with server.certificates.ca_file.open() as file:
        authority = file.read()
    needles = {
        "its name": SERVER_NAME.encode(),
        "its address": SERVER.encode(),
        "its authority": ssl.PEM_cert_to_DER_cert(authority)[:300],
        "its authority as a file": authority.encode()[60:300],
        "the mapped password": SYNC_PASSWORD.encode(),
        "the mapped account": SYNC_ACCOUNT.encode(),
    }
    memory = memory_of(outside.process.pid)
    assert b"link://inside/inside-1" in memory
    with site.dmz.entered(), urlopen(f"http://127.0.0.1:{outside.admin_port}/metrics", timeout=30) as page:
        metrics = page.read()
    with site.dmz.entered(), urlopen(f"http://127.0.0.1:{outside.admin_port}/", timeout=30) as page:
        metrics += page.read()
    said = outside.config.read_bytes() + outside.log().encode() + outside.audit_text().encode()
    for what, needle in needles.items():
        assert needle not in memory, f"{what} is in the outside's memory"
        assert needle not in metrics, f"{what} is on the outside's admin page"
        assert needle not in said, f"{what} is in the outside's files"
    held = memory_of(inside.process.pid)
    for what in ("its name", "its address", "the mapped password", "the mapped account"):
        assert needles[what] in held, f"{what} is not even in the inside's memory"
