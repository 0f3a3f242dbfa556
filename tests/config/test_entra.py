"""`directories.X.entra`: what becomes of it, and what `check` says of mistakes."""

import re
from pathlib import Path

import pytest

from gateway.config.load import load_configuration, load_copies
from gateway.config.problems import ConfigurationError
from gateway.entra.settings import CLOUDS, CertificateFiles, Cloud, GroupChoice
from tests.config.certificates import write_pair
from tests.config.link_configuration import HASH

TOKEN = "made-up-token-of-the-test"
GOOD = """\
listeners:
  - {address: "127.0.0.1:0", certificate: gateway.pem, private_key: gateway.key}
directories:
  cloud:
    entra:
      tenant: 11111111-2222-3333-4444-555555555555
      client_id: 66666666-7777-8888-9999-000000000000
      secret_file: app.secret
      base_dn: "DC=corp,DC=example"
      socket: entra.sock
      token_file: entra.token
      store: copy.db
clients:
  service:
    sources: [198.51.100.0/24]
    directory: cloud
    credentials: {mode: mapped, accounts: {svc: {hashes: ["HASH"]}}}
    base_dns: ["DC=corp,DC=example"]
    attributes: [mail, cn]
    filter_attributes: [mail]
    required_filter: "(!(department=Board))"
""".replace("HASH", HASH)
SECRET = "      secret_file: app.secret"


@pytest.fixture
def load(tmp_path):
    write_pair(tmp_path)
    (tmp_path / "entra.token").write_text(TOKEN + "\n")
    (tmp_path / "entra.token").chmod(0o640)

    def loaded(text, by=load_configuration):
        path = tmp_path / "gateway.yaml"
        path.write_text(text)
        return by(path)

    return loaded


def test_the_directory_is_asked_at_the_socket_with_the_token(load, tmp_path):
    (client,) = load(GOOD).settings.clients
    (server,) = client.directory.servers
    assert (server.url, server.label, server.host) == ("entra://cloud", "cloud", str(tmp_path / "entra.sock"))
    assert [str(dn) for dn in client.policy.naming_contexts] == ["DC=corp,DC=example"]
    (account,) = client.policy.mapped_accounts
    assert account.own.password.reveal() == TOKEN.encode()


def test_the_copy_has_what_clients_may_ask_for_and_no_more(load, tmp_path):
    # Nothing else that the file names is read: this process may have no right to.
    for name in ("gateway.key", "entra.token"):
        (tmp_path / name).unlink()
    (copy,) = load(GOOD, load_copies)
    assert copy.settings.copy.attributes == {"mail", "cn", "department"}
    assert copy.settings.tenant.credential == tmp_path / "app.secret"
    assert copy.settings.tenant.cloud == CLOUDS["global"]
    assert (copy.socket, copy.settings.store) == (tmp_path / "entra.sock", tmp_path / "copy.db")
    written = ("certificate: a.pem", "private_key: a.key", "groups: mail", "full: 2d", "login_url: https://LOGIN.test")
    more = "\n      ".join((*written, "graph_url: https://graph.test:8443/"))
    (copy,) = load(GOOD.replace("secret_file: app.secret", more), load_copies)
    assert copy.settings.tenant.credential == CertificateFiles(tmp_path / "a.pem", tmp_path / "a.key")
    assert copy.settings.tenant.cloud == Cloud("https://login.test", "https://graph.test:8443")
    assert (copy.settings.copy.groups, copy.settings.rounds.full) == (GroupChoice.mail, 172_800)


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("    entra:", "    ca_file: system\n    entra:", 5, "cloud.ca_file: only of use without `entra`"),
        ("    entra:", "    servers: [ldaps://dc.test]\n    entra:", 5, "cloud.servers: only of use without `entra`"),
        ("    entra:", "    health: off\n    entra:", 5, "cloud.health: only of use without `entra`"),
        ("    entra:", "    link: inside\n    entra:", 5, "cloud.link: only of use without `entra`"),
        ("11111111-2222-3333-4444-555555555555", "contoso", 6, "entra.tenant: the tenant's id"),
        ("66666666-", "x6666666-", 7, "entra.client_id: the id of the app"),
        (SECRET, "      guests: true", 5, "entra: either certificate and private_key or secret_file"),
        (SECRET, f"{SECRET}\n      certificate: a.pem\n      private_key: a.key", 5, "and not both"),
        (SECRET, "      certificate: a.pem", 5, "certificate and private_key go together"),
        (SECRET, f"{SECRET}\n      login_url: https://login.test", 5, "login_url and graph_url go together"),
        (SECRET, f"{SECRET}\n      login_url: http://a.test\n      graph_url: https://b.test", 9, "an origin like"),
        ("socket: entra.sock", f"socket: {'x' * 108}", 10, "at most 107 octets"),
        ('base_dn: "DC=corp,DC=example"', 'base_dn: ""', 9, "the entry above all others"),
        ("{mode: mapped, accounts", "{mode: passthrough, accounts", 17, "where nobody signs in: `mode: mapped`"),
        ("    attributes:", "    login_base_dns: ['DC=corp,DC=example']\n    attributes:", 19, "has nobody's password"),
        ("    attributes:", "    allow_anonymous: true\n    attributes:", 19, "shows nothing without its token"),
        ("svc: {hashes", "svc: {bind_dn: 'CN=x', hashes", 17, "binds with its token_file"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_line(load, old, new, line, said):
    with pytest.raises(ConfigurationError) as raised:
        load(GOOD.replace(old, new, 1))
    assert re.search(rf"gateway\.yaml:{line}: .*{re.escape(said)}", str(raised.value)), str(raised.value)
    assert TOKEN not in str(raised.value)


def test_a_token_that_is_not_there_or_empty(load, tmp_path):
    (tmp_path / "entra.token").write_text("\n")
    with pytest.raises(ConfigurationError, match="it is empty; remove it"):
        load(GOOD)
    (tmp_path / "entra.token").unlink()
    two = GOOD.replace("accounts: {", f'accounts: {{other: {{hashes: ["{HASH}"]}}, ')
    with pytest.raises(ConfigurationError, match="there is no token yet; `ldap-gateway entra run` makes it") as raised:
        load(two)
    assert str(raised.value).count("there is no token yet") == 1


def test_attributes_that_a_tenant_does_not_have_are_named(load):
    warnings = load(GOOD.replace("[mail, cn]", "[mail, uSNChanged]")).warnings
    assert any("no entry of a tenant's copy has uSNChanged" in each for each in warnings)
    assert not any("tenant's copy" in each for each in load(GOOD).warnings)


def test_two_copies_share_no_file(load):
    second = GOOD[GOOD.index("  cloud:") : GOOD.index("clients:")].replace("  cloud:", "  other:", 1)
    with pytest.raises(ConfigurationError) as raised:
        load(GOOD.replace("clients:", f"{second}clients:"), load_copies)
    assert "directories.other.entra.store: the same as directories.cloud has" in str(raised.value)
    assert "directories.other.entra.socket: the same" in str(raised.value)


def test_the_shipped_example_is_right_for_the_process_that_keeps_the_copy():
    (copy,) = load_copies(Path(__file__).parents[2] / "conf" / "entra.yaml")
    assert copy.settings.name == "cloud"
