"""Files of TLS that change while the gateway runs: used without a signal, once they fit each other."""

import json
import os
import shutil

import pytest
from twisted.logger import globalLogPublisher

from gateway.demo.certificates import make_certificates
from gateway.ldap.messages import BASE_OBJECT
from gateway.serve.renewal import Renewal, TlsFiles
from tests.config.certificates import write_chain, write_pair
from tests.net.client_certificates import Authority, name_of
from tests.observe.admin_client import get, samples
from tests.servers.gateway_process import GatewayProcess, configuration
from tests.servers.raw_client import RawClient
from tests.servers.stub_server import StubServer

pytestmark = pytest.mark.servers

ACCOUNT = ("svc@corp.example", "Passw0rd")
CLIENT = {"sync_accounts": [ACCOUNT[0]], "base_dns": ["DC=corp,DC=example"], "attributes": ["cn"]}


# What is noticed, and when.


class Watched:
    """One set of files under a Renewal: what it was told, in its order."""

    def __init__(self, directory, authorities=()):
        self.certificate, self.private_key = directory / "gateway.pem", directory / "gateway.key"
        self.renewed, self.waits, self.log = 0, [], []
        self.failure = None
        pair = (self.certificate, self.private_key)
        self._renewal = Renewal(
            [TlsFiles("listener x", (pair,), authorities, self._renew)], lambda _, why: self.waits.append(why)
        )

    def _renew(self):
        if self.failure is not None:
            raise self.failure
        self.renewed += 1
        return "as said"

    def look(self, times=2):
        def hear(event):
            if event["log_namespace"] == "gateway.serve.renewal":
                self.log.append((event["log_level"].name, event["log_format"].format(**event)))

        globalLogPublisher.addObserver(hear)
        try:
            for _ in range(times):
                self._renewal.look()
        finally:
            globalLogPublisher.removeObserver(hear)


@pytest.fixture
def watched(tmp_path):
    write_pair(tmp_path)
    return Watched(tmp_path)


def test_files_that_nobody_touches_are_left_alone(watched):
    watched.look(5)
    assert (watched.renewed, watched.waits, watched.log) == (0, [], [])


def test_a_change_is_used_at_the_second_look_that_finds_it_the_same(tmp_path, watched):
    write_pair(tmp_path)
    watched.look(1)
    assert watched.renewed == 0
    write_pair(tmp_path)
    watched.look(1)
    assert watched.renewed == 0
    watched.look(1)
    assert watched.renewed == 1
    assert watched.log == [("info", "listener x: the renewed files are in use: as said")]
    watched.look(5)
    assert watched.renewed == 1


def test_a_half_written_pair_waits_and_says_so_once(tmp_path, watched):
    new = tmp_path / "new"
    new.mkdir()
    write_pair(new)
    shutil.copy(new / "gateway.pem", watched.certificate)
    watched.look(6)
    assert watched.renewed == 0
    assert [level for level, _ in watched.log] == ["warn"]
    assert "gateway.key: does not belong to the first certificate of" in watched.log[0][1]
    assert "waiting for files that fit each other; those from before stay in force" in watched.log[0][1]
    assert len(watched.waits) == 1
    shutil.copy(new / "gateway.key", watched.private_key)
    watched.look()
    assert watched.renewed == 1
    assert watched.waits[1:] == [None]


@pytest.mark.parametrize(
    "octets, words",
    [(b"", "no certificate in PEM in it"), (b"-----BEGIN CERTIFICATE-----\nMIIB", "no certificate in PEM in it")],
)
def test_a_broken_file_leaves_what_is_in_use(watched, octets, words):
    watched.certificate.write_bytes(octets)
    watched.look(6)
    assert watched.renewed == 0
    ((level, text),) = watched.log
    assert level == "error"
    assert f"gateway.pem: {words}; those from before stay in force" in text
    watched.certificate.unlink()
    watched.look(4)
    assert "cannot be read: there is no such file" in watched.log[1][1]
    assert watched.renewed == 0


def test_an_expired_certificate_is_not_used(tmp_path, watched):
    write_pair(tmp_path, days=-1)
    watched.look()
    assert watched.renewed == 0
    assert "gateway.pem: expired on" in watched.log[0][1]


def test_what_openssl_does_not_take_is_not_in_use_and_is_tried_again(tmp_path, watched):
    watched.failure = ValueError("gateway.pem: ee key too small")
    write_pair(tmp_path)
    watched.look(5)
    assert [level for level, _ in watched.log] == ["error"]
    watched.failure = None
    watched.look(1)
    assert watched.renewed == 1


def test_files_that_are_put_back_are_those_in_use(tmp_path, watched):
    old = tmp_path / "old"
    watched.certificate.rename(old)
    watched.look()
    assert len(watched.log) == 1
    old.rename(watched.certificate)
    watched.look()
    assert watched.renewed == 0
    assert watched.log[1] == ("info", "listener x: the files are those in use again")
    assert watched.waits[1:] == [None]


def test_kubernetes_swaps_a_link_to_the_directory(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_pair(tmp_path / name)
        # The same times and sizes: the link leads elsewhere, and nothing else tells.
        for file in (tmp_path / name).iterdir():
            os.utime(file, (1, 1))
    (tmp_path / "..data").symlink_to("one")
    for name in ("gateway.pem", "gateway.key"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    watched = Watched(tmp_path)
    (tmp_path / "..new").symlink_to("two")
    (tmp_path / "..new").rename(tmp_path / "..data")
    watched.look()
    assert watched.renewed == 1


def test_a_bundle_of_authorities_is_looked_at_like_a_pair(tmp_path):
    write_pair(tmp_path)
    bundle = tmp_path / "ca.pem"
    shutil.copy(tmp_path / "gateway.pem", bundle)
    watched = Watched(tmp_path, (bundle,))
    bundle.write_bytes(b"nothing")
    watched.look()
    assert watched.renewed == 0
    assert "ca.pem: no certificate in PEM in it" in watched.log[0][1]
    shutil.copy(tmp_path / "gateway.pem", bundle)
    watched.look()
    assert watched.renewed == 1


# The gateway.


@pytest.fixture
def certificates(tmp_path):
    return make_certificates(tmp_path, "gateway")


def start(tmp_path, certificates, directory=None, client=None):
    directory = directory or {"servers": ["ldaps://127.0.0.1:1"], "ca_file": certificates.ca_file}
    text = configuration(certificates, directory, {**CLIENT, **(client or {})}, admin={"address": "127.0.0.1:0"})
    return GatewayProcess(tmp_path, text)


def read_root_dse(session):
    return session.result(session.search("", scope=BASE_OBJECT))[1].code


def test_a_renewed_certificate_is_used_and_sessions_go_on(tmp_path, certificates):
    with start(tmp_path, certificates) as running, RawClient(running.port, certificates.ca_file) as before:
        expiry = samples(running.admin_port)["ldap_gateway_listener_certificate_expiry_seconds", "0"]
        old_authority = certificates.ca_file.read_bytes()
        renewed = tmp_path / "renewed"
        renewed.mkdir()
        write_chain(renewed)
        for name in ("gateway.pem", "gateway.key"):
            (renewed / name).rename(tmp_path / name)
        running.wait_for("the renewed files are in use: the certificate is valid until ")
        # Nobody answers for the new chain's name here; that the old one is gone is enough.
        certificates.ca_file.write_bytes(old_authority)
        with pytest.raises(OSError, match="certificate verify failed"):
            RawClient(running.port, certificates.ca_file)
        assert read_root_dse(before) == 0
        assert samples(running.admin_port)["ldap_gateway_listener_certificate_expiry_seconds", "0"] > expiry


def test_a_key_that_does_not_fit_is_seen_from_outside_until_it_does(tmp_path, certificates):
    with start(tmp_path, certificates) as running:
        key = certificates.private_key.read_bytes()
        make_certificates(tmp_path, "gateway")
        new_key = certificates.private_key.read_bytes()
        certificates.private_key.write_bytes(key)
        running.wait_for("waiting for files that fit each other")
        assert samples(running.admin_port)["ldap_gateway_tls_files_waiting",] == 1
        assert "changed files are not used" in get(running.admin_port, "/")[2]
        certificates.private_key.write_bytes(new_key)
        running.wait_for("listener 127.0.0.1:0: the renewed files are in use")
        assert samples(running.admin_port)["ldap_gateway_tls_files_waiting",] == 0
        with RawClient(running.port, certificates.ca_file) as session:
            assert read_root_dse(session) == 0
        assert "changed files are not used" not in get(running.admin_port, "/")[2]


def test_a_reload_uses_what_waited(tmp_path, certificates):
    with start(tmp_path, certificates) as running:
        certificates.certificate.unlink()
        running.wait_for("changed files are not used")
        said = running.reload(running.config.read_text())
        assert "reload refused" in said
        make_certificates(tmp_path, "gateway")
        assert "reloaded" in running.reload(running.config.read_text())
        assert samples(running.admin_port)["ldap_gateway_tls_files_waiting",] == 0
        with RawClient(running.port, certificates.ca_file) as session:
            assert read_root_dse(session) == 0


def test_authorities_and_client_certificate_of_a_directory_are_renewed(tmp_path, certificates):
    authority = Authority(tmp_path, "clients")
    own = authority.issue("own", name_of("gateway"))
    with StubServer(make_certificates(tmp_path, "server"), client_ca_file=authority.ca_file) as server:
        trusted = make_certificates(tmp_path, "other").ca_file
        pair = {"certificate": str(own.certificate), "private_key": str(own.private_key)}
        directory = server.gateway_directory(trusted) | {"client_certificate": pair}
        with start(tmp_path, certificates, directory) as running:

            def code():
                with RawClient(running.port, certificates.ca_file) as session:
                    return session.bind(*ACCOUNT)

            assert code() == 52
            trusted.write_bytes(server.ca_file.read_bytes())
            after = len(running.wait_for("directory corp: the renewed files are in use: for connections to servers"))
            assert code() == 0
            Authority(tmp_path, "strangers").issue("own", name_of("gateway"))
            after = len(running.wait_for("the renewed files are in use", after)) + after
            assert code() == 52
            authority.issue("own", name_of("gateway"))
            running.wait_for("the renewed files are in use", after)
            assert code() == 0


def test_the_authority_of_the_clients_is_renewed_and_the_configuration_is_not(tmp_path, certificates):
    old, new = Authority(tmp_path, "old"), Authority(tmp_path, "new")
    issued = tmp_path / "clients-ca.pem"
    shutil.copy(old.ca_file, issued)
    certificate = new.issue("client", name_of("sync"))
    demanded = {"ca_file": str(issued), "subjects": ["CN=sync"]}
    with start(tmp_path, certificates, client={"required_certificate": demanded}) as running:

        def connects():
            try:
                with RawClient(running.port, certificates.ca_file, certificate=certificate) as session:
                    return read_root_dse(session) == 0
            except OSError:
                return False

        assert not connects()
        # It is read at a reload and not before.
        config = json.loads(running.config.read_text())
        config["clients"]["mimecast"]["sources"] = ["192.0.2.1"]
        running.config.write_text(json.dumps(config))
        shutil.copy(new.ca_file, issued)
        running.wait_for("listener 127.0.0.1:0: the renewed files are in use")
        assert connects()
        assert "reloaded" in running.reload(running.config.read_text())
        assert not connects()


def test_what_a_session_of_before_the_reload_trusts_takes_no_server_down_for_the_others(tmp_path, certificates):
    with StubServer(make_certificates(tmp_path, "server")) as server:
        directory = server.gateway_directory(make_certificates(tmp_path, "old").ca_file)
        with (
            start(tmp_path, certificates, directory | {"health": {}}) as running,
            RawClient(running.port, certificates.ca_file) as before,
        ):
            assert read_root_dse(before) == 0
            config = json.loads(running.config.read_text())
            config["directories"]["corp"]["ca_file"] = str(server.ca_file)
            assert "reloaded" in running.reload(json.dumps(config))
            with RawClient(running.port, certificates.ca_file) as later:
                assert later.bind(*ACCOUNT) == 0
            assert before.bind(*ACCOUNT) == 52
            found = samples(running.admin_port).items()
            assert [value for (name, *_), value in found if name == "ldap_gateway_server_up"] == [1]
            assert get(running.admin_port, "/readyz")[0] == 200
