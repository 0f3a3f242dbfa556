import shutil
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import pytest

from gateway.config.load import load_configuration
from gateway.config.problems import ConfigurationError
from gateway.link.keys import write_pair as write_link_pair
from gateway.net.servers.settings import ClientCertificate
from gateway.net.sessions.settings import StartTls
from gateway.policy.shrink import ShrinkMode, ShrinkSettings
from tests.config.certificates import write_pair
from tests.config.link_configuration import HASH

CONF = Path(__file__).parents[2] / "conf"
GOOD = """\
listeners:
  - address: 127.0.0.1:0
    certificate: gateway.pem
    private_key: gateway.key
directories:
  corp:
    servers: ["ldaps://dc1.corp.example", {url: "ldaps://10.1.2.3:1636", server_name: dc2.corp.example}]
    ca_file: gateway.pem
    naming_contexts: ["DC=corp,DC=example"]
clients:
  mimecast:
    sources: [198.51.100.0/24, 203.0.113.7]
    directory: corp
    sync_accounts: [svc@corp.example]
    base_dns: ["OU=Staff,DC=corp,DC=example"]
    attributes: [mail, cn]
"""
KEY = "    private_key: gateway.key"
CONTEXTS = '    naming_contexts: ["DC=corp,DC=example"]'
OWN = f"{CONTEXTS}\n    client_certificate: {{certificate: gateway.pem, private_key: gateway.key}}"


def load(tmp_path, text):
    write_pair(tmp_path)
    path = tmp_path / "gateway.yaml"
    path.write_text(text)
    return load_configuration(path)


def test_a_good_file_becomes_settings(tmp_path):
    settings = load(tmp_path, GOOD).settings
    (client,) = settings.clients
    assert [server.server_name for server in client.directory.servers] == ["dc1.corp.example", "dc2.corp.example"]
    assert [server.port for server in client.directory.servers] == [636, 1636]
    assert str(client.sources[1]) == "203.0.113.7/32"
    assert client.policy.attributes == ("mail", "cn")
    assert settings.listeners[0].certificate == tmp_path / "gateway.pem"
    assert settings.admin == ("127.0.0.1", 8389)


@pytest.mark.parametrize(
    "old, new, line, words",
    [
        ("attributes:", "atributes:", 16, 'did you mean "attributes"'),
        ("listeners:", "listener:", 1, 'did you mean "listeners"'),
        ("    ca_file: gateway.pem\n", "", 6, "ca_file: is required"),
        ("gateway.pem\n    naming", "missing.pem\n    naming", 8, "cannot be read"),
        ("private_key: gateway.key", "private_key: gateway.pem", 4, "not a private key"),
        ("127.0.0.1:0", "localhost:636", 2, "an IP address and a port"),
        ("127.0.0.1:0", "127.0.0.1:99999", 2, "an IP address and a port"),
        ("127.0.0.1:0", "127.0.0.1:" + "9" * 5000, 2, "an IP address and a port"),
        ("127.0.0.1:0", "127.0.0.1:8389", 1, "admin.address: the same address as listeners.0 has"),
        ('"ldaps://dc1.corp.example"', '"ldap://dc1.corp.example"', 7, "only ldaps://"),
        ('"ldaps://dc1.corp.example"', '"dc1.corp.example"', 7, "a URL like ldaps://"),
        ("198.51.100.0/24", "198.51.100.1/24", 12, "has host bits"),
        ("198.51.100.0/24", "example.org", 12, "a network like"),
        ("directory: corp", "directory: crop", 13, "no such directory; there are: corp"),
        ("svc@corp.example", "Sync Service", 14, "a DN, name@domain or DOMAIN"),
        ("svc@corp.example", '"CN=#0c03737663,DC=corp,DC=example"', 14, "write its values as text"),
        ("OU=Staff,DC", "OU=Sales, EMEA,DC", 15, "unescaped"),
        (
            "OU=Staff,DC=corp,DC=example",
            "OU=Staff,DC=other",
            15,
            "not inside directories.corp.naming_contexts (DC=corp,DC=example)",
        ),
        ("[mail, cn]", '["*"]', 16, "there is no wildcard"),
        ("[mail, cn]", '["mail;binary"]', 16, "without options"),
        ("[mail, cn]", "[]", 16, "at least 1"),
        ("[mail, cn]", "[mail, cn]\n    root_dse: [supportedControl]", 17, "the gateway answers this one by itself"),
        ("[mail, cn]", "[mail, cn]\n    root_dse: [vendorName, dnsHostName]", 17, "names servers of the inside"),
        ("[mail, cn]", '[mail, cn]\n    root_dse: ["+"]', 17, "there is no wildcard"),
        ("[mail, cn]", "[mail, cn]\n    subschema: Subschema", 17, "subschema"),
        ("[mail, cn]", '[mail, cn]\n    subschema: ""', 17, "at least 1"),
        ("[198.51.100.0/24, 203.0.113.7]", "[]", 12, "no network: nobody could connect"),
        ("[mail, cn]", "[mail, cn]\n    mode: relaxed", 17, "'enforce' or 'report'"),
        ("[mail, cn]", "[mail, cn]\n    size_limit: -1", 17, "of at least 0"),
        ("[mail, cn]", "[mail, cn]\n    required_filter: (mail=*", 17, "is expected"),
        ("[mail, cn]", "[mail, cn]\n    login_domains: [CORP]", 17, "without login_base_dns"),
        ("[mail, cn]", "[mail, cn]\n    attributes: [sn]", 17, "the same key twice"),
        ("[mail, cn]", '[mail, cn]\n    excluded_base_dns: ["OU=X,DC=corp,DC=example"]', 17, "not inside any allowed"),
        ("[mail, cn]", '[mail, cn]\n    excluded_base_dns: [""]', 17, "leaves nothing of an allowed base"),
        ("[mail, cn]", '[mail, cn]\n    excluded_base_dns: ["ou=staff, DC=corp,DC=example"]', 17, "leaves nothing"),
        ("[mail, cn]", "[mail, cn]\n    listeners: [0.0.0.0:636]", 17, "no such listener"),
        ("[mail, cn]", "[mail, cn]\n    controls: [paged]", 17, "an OID like"),
        ("[mail, cn]", "[mail, cn]\n\tmode: x", 17, "blanks, not tabs"),
        ("[mail, cn]", "[mail, cn]\nadmin: {address: '0.0.0.0:80'}", 17, "a loopback address"),
        ("[mail, cn]", "[mail, cn]\nlimits: {idel: 5}", 17, 'did you mean "idle"'),
        ("[mail, cn]", "[mail, cn]\nlimits: {refusal_floor: -1}", 17, "of at least 0"),
        ("[mail, cn]", "[mail, cn]\nlimits: {refusal_floor: 10.5}", 17, "of at most 10"),
        ("[mail, cn]", "[mail, cn]\nlimits: {refusal_floor: .nan}", 17, "finite"),
        ("[mail, cn]", "[mail, cn]\nlimits: {refusal_floor: 250ms}", 17, "a number"),
        ("[mail, cn]", "[mail, cn]\n    shrink_guard: {mod: off}", 17, 'did you mean "mode"'),
        ("[mail, cn]", "[mail, cn]\n    shrink_guard: off", 17, "a mapping of keys is expected"),
        ("[mail, cn]", "[mail, cn]\n    shrink_guard: {mode: true}", 17, "'enforce', 'report' or 'off'"),
        ("[mail, cn]", "[mail, cn]\n    shrink_guard: {minimum: 0}", 17, "of at least 1"),
        ("[mail, cn]", "[mail, cn]\n    sync_gap: 0", 17, "greater than 0"),
        ("[mail, cn]", "[mail, cn]\nstate_dir: 5", 17, "a text is expected"),
        ("[mail, cn]", "[mail, cn]\nstate_dir: ''", 17, "at least 1 character"),
        ("[mail, cn]", "[mail, cn]\n    required_certificate: {ca_fil: x}", 17, 'did you mean "ca_file"'),
        ("[mail, cn]", "[mail, cn]\n    required_certificate: {ca_file: gateway.pem}", 17, "subjects or alt_names"),
        ("[mail, cn]", "[mail, cn]\n    required_certificate: {ca_file: no.pem, subjects: [CN=x]}", 17, "no.pem"),
        (
            "[mail, cn]",
            "[mail, cn]\n    required_certificate:\n      ca_file: gateway.pem\n      alt_names: [sync.example.com]",
            19,
            "a name with its kind",
        ),
        (
            "[mail, cn]",
            "[mail, cn]\n    required_certificate:\n      ca_file: gateway.pem\n      subjects: [sync]",
            19,
            "required_certificate.subjects.0",
        ),
        ("[mail, cn]", "&a [mail, cn]\n    filter_attributes: *a", 16, "aliases"),
        (CONTEXTS, OWN.replace("gateway.pem", "missing.pem"), 10, "client_certificate.certificate: "),
        (CONTEXTS, OWN.replace("gateway.key", "gateway.pem"), 10, "client_certificate.private_key: "),
        (CONTEXTS, OWN.replace("private_key", "privatekey"), 10, 'did you mean "private_key"'),
        (CONTEXTS, OWN.replace(", private_key: gateway.key", ""), 10, "private_key: is required"),
        (CONTEXTS, CONTEXTS + "\n    client_certificate: gateway.pem", 10, "a mapping of keys is expected"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path, old, new, line, words):
    assert old in GOOD
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, GOOD.replace(old, new, 1))
    said = [problem for problem in caught.value.problems if words in str(problem)]
    assert said, str(caught.value)
    assert said[0].line == line
    assert str(said[0]).startswith(str(tmp_path / "gateway.yaml"))


def test_sources_also_come_from_a_file(tmp_path):
    (tmp_path / "more.txt").write_text("# the service\n192.0.2.0/24   # first site\n\n2001:db8::7\n")
    (client,) = load(tmp_path, GOOD + "    sources_file: more.txt\n").settings.clients
    listed = ["198.51.100.0/24", "203.0.113.7/32", "192.0.2.0/24", "2001:db8::7/128"]
    assert [str(network) for network in client.sources] == listed
    alone = GOOD.replace("sources: [198.51.100.0/24, 203.0.113.7]", "sources_file: more.txt")
    (client,) = load(tmp_path, alone).settings.clients
    assert [str(network) for network in client.sources] == listed[2:]


@pytest.mark.parametrize(
    "text, line, words",
    [
        ("192.0.2.0/24\n192.0.2.1/24\n", 2, "has host bits"),
        ("\n\nexample.org\n", 3, "a network like"),
        ("192.0.2.1, 192.0.2.2\n", 1, "a network like"),
        ("192.0.2.0/24 # ok\n\xff\n", 2, "a network like"),
        ("192.0.2.0/24\n0x7f000001\n", 2, "a network like"),
        ("2130706433\n", 1, "a network like"),
        ("# nothing\n\n", 0, "no network in it"),
        (None, 0, "cannot be read"),
        ("#" * (1 << 20) + "\n192.0.2.1\n", 0, "larger than"),
    ],
)
def test_what_is_wrong_in_a_file_of_sources_is_said_with_its_own_name_and_line(tmp_path, text, line, words):
    if text is not None:
        (tmp_path / "more.txt").write_text(text, encoding="latin-1")
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, GOOD + "    sources_file: more.txt\n")
    (problem,) = caught.value.problems
    where = f"{tmp_path / 'more.txt'}:{line}" if line else str(tmp_path / "more.txt")
    assert str(problem).startswith(f"{where}: clients.mimecast.sources_file: ")
    assert words in str(problem)


def test_a_tie_names_the_file_and_line_where_the_second_one_stands(tmp_path):
    (tmp_path / "more.txt").write_text("192.0.2.0/24\n203.0.113.7\n")
    block = GOOD[GOOD.index("    directory: corp") :]
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, GOOD + "  other:\n    sources_file: more.txt\n" + block)
    said = f"{tmp_path / 'more.txt'}:2: clients.other.sources_file: the same network as in clients.mimecast"
    assert str(caught.value).startswith(said)


def test_sources_inside_trusted_proxies_are_warned_of_and_the_whole_internet_is_no_proxy(tmp_path):
    (warning, *_) = load(tmp_path, GOOD + "trusted_proxies: [203.0.113.0/29]\n").warnings
    assert "gateway.yaml:12: clients.mimecast.sources.1: inside trusted_proxies (203.0.113.0/29)" in warning
    with pytest.raises(ConfigurationError, match="whoever is trusted may name any source"):
        load(tmp_path, GOOD + 'trusted_proxies: ["0.0.0.0/0"]\n')


def test_a_source_that_is_a_container_networks_gateway_is_warned_of(tmp_path, monkeypatch):
    shared = {ip_address("203.0.113.7"): "the default gateway"}
    monkeypatch.setattr("gateway.config.compile.shared_addresses", lambda: shared)
    (warning, *_) = load(tmp_path, GOOD).warnings
    assert "gateway.yaml:12: clients.mimecast.sources.1: 203.0.113.7 is the default gateway" in warning


NO_PERCENTAGES = ["80", "0.8", "0%", "101%", "1000%", "79.5%", "-5%", "'80 %'", "'08%'", "'%'", "'٨٠%'", "null"]


@pytest.mark.parametrize("value", NO_PERCENTAGES)
def test_a_percentage_is_written_as_one(tmp_path, value):
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, GOOD + f"    shrink_guard: {{keep_at_least: {value}}}\n")
    assert str(caught.value) == (
        f"{tmp_path / 'gateway.yaml'}:17: clients.mimecast.shrink_guard.keep_at_least: "
        "a whole percentage from 1% to 100% is expected, with its sign: 80%"
    )


@pytest.mark.parametrize(
    "text, expected",
    [
        ("", ShrinkSettings(ShrinkMode.enforce, 80, 50)),
        ("    shrink_guard: {keep_at_least: 100%, minimum: 1}\n", ShrinkSettings(ShrinkMode.enforce, 100, 1)),
        ("    shrink_guard: {mode: report, keep_at_least: 1%}\n", ShrinkSettings(ShrinkMode.report, 1, 50)),
        ("    shrink_guard: {mode: off}\n", ShrinkSettings(ShrinkMode.off, 80, 50)),
        ("    shrink_guard: {mode: 'off'}\n", ShrinkSettings(ShrinkMode.off, 80, 50)),
    ],
)
def test_the_shrink_guard_of_a_client(tmp_path, text, expected):
    (client,) = load(tmp_path, GOOD + text).settings.clients
    assert client.policy.shrink == expected


def test_what_parts_two_sync_runs_of_a_client(tmp_path):
    for text, seconds in (("", 600), ("    sync_gap: 90\n", 90)):
        (client,) = load(tmp_path, GOOD + text).settings.clients
        assert client.sync_gap == seconds


def test_state_dir_is_relative_to_the_file(tmp_path):
    (tmp_path / "state").mkdir()
    loaded = load(tmp_path, GOOD + "state_dir: state\n")
    assert loaded.settings.state_dir == tmp_path / "state"
    assert loaded.warnings == ()
    assert load(tmp_path, GOOD).settings.state_dir is None


def test_no_floor_is_warned_of_where_people_sign_in(tmp_path):
    people = GOOD + '    login_base_dns: ["OU=Staff,DC=corp,DC=example"]\n'
    text = "limits: {refusal_floor: 0}\n"
    (warning, *_) = load(tmp_path, people + text).warnings
    assert "gateway.yaml:18: limits.refusal_floor: 0: the time of an answer tells strangers" in warning
    assert not any("refusal_floor" in warning for warning in load(tmp_path, GOOD + text).warnings)


def test_a_guard_that_forgets_and_a_missing_state_dir_are_warned_of(tmp_path):
    client = GOOD[GOOD.index("  mimecast:") :]
    other = client.replace("mimecast", "other").replace("203.0.113.7", "203.0.113.8").replace("198.51", "198.52")
    text = GOOD + "    shrink_guard:\n      mode: report\n" + other + "    shrink_guard: {mode: off}\n"
    (warning,) = load(tmp_path, text).warnings
    assert warning == (
        f"{tmp_path / 'gateway.yaml'}:17: clients.mimecast.shrink_guard: "
        "without state_dir the sizes to compare with are forgotten at each restart"
    )
    (warning,) = load(tmp_path, GOOD + "state_dir: gone\n").warnings
    assert f"gateway.yaml:17: state_dir: {tmp_path / 'gone'}: no such directory" in warning


def test_a_directory_may_have_a_client_certificate(tmp_path):
    (client,) = load(tmp_path, GOOD.replace(CONTEXTS, OWN)).settings.clients
    assert client.directory.client_certificate == ClientCertificate(tmp_path / "gateway.pem", tmp_path / "gateway.key")
    (client,) = load(tmp_path, GOOD).settings.clients
    assert client.directory.client_certificate is None


def test_a_private_key_of_another_certificate_is_named(tmp_path):
    write_pair(tmp_path, "other")
    where = r":10: directories\.corp\.client_certificate\.private_key: "
    with pytest.raises(ConfigurationError, match=f"{where}.*does not belong"):
        load(tmp_path, GOOD.replace(CONTEXTS, OWN.replace("gateway.key", "other.key")))


def test_everything_wrong_is_said_at_once(tmp_path):
    text = GOOD.replace("attributes:", "atributes:").replace("directory: corp", "direktory: corp")
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, text)
    assert len(caught.value.problems) == 4


def test_the_same_network_for_two_clients_is_a_tie(tmp_path):
    client = GOOD[GOOD.index("  mimecast:") :]
    with pytest.raises(ConfigurationError, match=r"the same network as in clients\.mimecast"):
        load(tmp_path, GOOD + client.replace("mimecast", "other"))


@pytest.mark.parametrize(
    "content, words", [(b"", "is empty"), (b"\xff", "not UTF-8"), (b"[]", "mapping"), (b"a: [", "YAML")]
)
def test_files_that_are_no_configuration(tmp_path, content, words):
    path = tmp_path / "gateway.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=words):
        load_configuration(path)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_configuration(tmp_path / "missing.yaml")


def test_an_expired_certificate_and_a_foreign_key_are_named(tmp_path):
    path = tmp_path / "gateway.yaml"
    path.write_text(GOOD)
    write_pair(tmp_path, days=-1)
    with pytest.raises(ConfigurationError, match="expired on"):
        load_configuration(path)
    write_pair(tmp_path)
    write_pair(tmp_path, "other")
    shutil.copy(tmp_path / "other.key", tmp_path / "gateway.key")
    with pytest.raises(ConfigurationError, match="does not belong"):
        load_configuration(path)


def test_a_key_that_cannot_be_read_is_not_called_a_wrong_one(tmp_path):
    path = tmp_path / "gateway.yaml"
    path.write_text(GOOD)
    write_pair(tmp_path)
    (tmp_path / "gateway.key").unlink()
    with pytest.raises(ConfigurationError, match=r"gateway\.key: cannot be read: there is no such file"):
        load_configuration(path)


@pytest.mark.parametrize("name", sorted(path.name for path in CONF.glob("*.yaml")))
def test_the_shipped_examples_are_right(tmp_path, name):
    certificates = tmp_path / "certs"
    certificates.mkdir()
    write_pair(certificates)
    shutil.copy(certificates / "gateway.pem", certificates / "corp-ca.pem")
    write_pair(certificates, "google-ldap")
    (certificates / "google-ldap.pem").rename(certificates / "google-ldap.crt")
    (tmp_path / "link").mkdir()
    for end in ("outside", "inside-1"):
        write_link_pair(tmp_path / "link", end, datetime.now(UTC))
    (tmp_path / "mimecast-sync.hashes").write_text(HASH)
    (tmp_path / "svc-mimecast.password").write_text("Example-Passw0rd")
    (tmp_path / "entra.token").write_text("example-token-of-the-copy")
    for secret in ("mimecast-sync.hashes", "svc-mimecast.password", "entra.token"):
        (tmp_path / secret).chmod(0o600)
    shutil.copy(CONF / name, tmp_path)
    assert load_configuration(tmp_path / name).settings.clients


def test_a_required_certificate(tmp_path):
    wanted = "{ca_file: gateway.pem, subjects: ['CN=sync,O=X'], alt_names: ['DNS:a.example']}"
    (client,) = load(tmp_path, f"{GOOD}    required_certificate: {wanted}\n").settings.clients
    certificate = client.certificate
    assert certificate.ca_file == tmp_path / "gateway.pem"
    assert [str(subject) for subject in certificate.subjects] == ["CN=sync,O=X"]
    assert certificate.alt_names == ("DNS:a.example",)


@pytest.mark.parametrize("written", ["off", "'off'"])
def test_starttls_may_be_off_in_every_way_of_writing_it(tmp_path, written):
    text = GOOD.replace(KEY, f"{KEY}\n    starttls: {written}")
    (listener,) = load(tmp_path, text).settings.listeners
    assert listener.starttls is StartTls.off


def test_two_listeners_need_two_addresses(tmp_path):
    listener = GOOD[GOOD.index("  - address") : GOOD.index("directories:")].replace(":0", ":636")
    other = listener.replace("127.0.0.1:636", '"127.0.0.1:0636"')
    with pytest.raises(ConfigurationError, match=r":5: listeners\.1\.address: the same address as listeners\.0 has"):
        load(tmp_path, GOOD.replace(listener.replace(":636", ":0"), listener + other))


def test_a_client_of_an_address_with_any_port_may_use_all_listeners_there(tmp_path):
    listener = GOOD[GOOD.index("  - address") : GOOD.index("directories:")]
    text = GOOD.replace(listener, listener * 2) + '    listeners: ["127.0.0.1:0"]\n'
    (client,) = load(tmp_path, text).settings.clients
    assert client.listeners == {0, 1}


@pytest.mark.parametrize(
    "written, mending",
    [("on", True), ("off", False), ('"on"', True), ('"off"', False), ("true", True), ("false", False)],
)
def test_mending_is_on_or_off_in_every_way_of_writing_it(tmp_path, written, mending):
    (client,) = load(tmp_path, GOOD + f"    mending: {written}\n").settings.clients
    assert client.policy.mending is mending


def test_mending_is_on_by_itself(tmp_path):
    assert load(tmp_path, GOOD).settings.clients[0].policy.mending
