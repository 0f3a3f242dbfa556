"""How often one account can be tried before the guard stops: reckoned, and tried out with the guard itself."""

import itertools

import pytest

from gateway.ask.root_dse import RootDse
from gateway.config.directories import server_settings
from gateway.ldap.dn import parse
from gateway.ldap.messages import BindRequest, SimpleAuthentication
from gateway.net.servers.settings import DirectorySettings, DiscoverySettings
from gateway.net.sessions.settings import ClientSettings
from gateway.policy.bind import BindJudge
from gateway.policy.credentials import MappedAccount, OwnAccount, OwnPassword
from gateway.policy.decision import BindPlan
from gateway.policy.lockout import LockoutSettings, Verdict, guarded_accounts
from gateway.state.attempts import AttemptsInMemory
from gateway.state.counted_account import Attempt
from gateway.tools.doctor.worst_case import Block, WorstCase, blocks, domain_of
from tests.policy.policies import policy

CORP, EMEA = parse("DC=corp,DC=example"), parse("DC=emea,DC=corp,DC=example")
STAFF = parse("OU=Staff,DC=corp,DC=example")
DSE = RootDse(default_context="DC=corp,DC=example", configuration_context="CN=Configuration,DC=corp,DC=example")

# All by which a domain controller takes somebody whose userPrincipalName is jane.doe@corp.example.
NAMES = (
    "jane.doe@corp.example", "JANE.DOE@CORP.EXAMPLE", "jdoe@corp.example", "CORP\\jdoe", "corp\\JDoe",
    "CN=Jane Doe,OU=Staff,DC=corp,DC=example", "cn=jane doe, ou=staff, dc=corp, dc=example",
)  # fmt: skip
DOMAINS = (("corp.example", "CORP"), ("Corp.Example",), ("CORP",), ("elsewhere.example",), ())
LOGINS = ((STAFF,), (), (CORP,))
FAILURES = (1, 3, 7)


def client(name="mimecast", failures=3, window=1800, **changes):
    return policy(
        name=name,
        lockout=LockoutSettings(failures, window),
        naming_contexts=(CORP,),
        **{"excluded_base_dns": (), "directory": "corp"} | changes,
    )


def person(together, dse=DSE, domain=CORP):
    """The person's Exposure, None where nobody may sign in."""
    found = WorstCase(tuple(together)).exposures(domain, together[0].name, dse)
    return next((each for each in found if each.who == "a person"), None)


def tried(together, names=NAMES):
    """How many wrong passwords reach the servers, whatever is tried through whichever client."""
    attempts = AttemptsInMemory(lambda: 0.0)
    judges = [(each, BindJudge(each)) for block in together for each in block.clients]
    reached, before = 0, -1
    while reached != before:
        before = reached
        for each, judge in judges:
            for name in names:
                plan = judge.decide(BindRequest(3, name, SimpleAuthentication(b"wrong")))
                reached += isinstance(plan, BindPlan) and _reaches(attempts, each, plan)
    return reached


def _reaches(attempts, by, plan):
    admitted = []
    for account in guarded_accounts(by.directory, plan):
        attempts.begin(account, by.lockout, admitted.append)
    if not all(isinstance(each, Attempt) for each in admitted):
        return False
    for each in admitted:
        attempts.end(each, Verdict.wrong)
    return True


@pytest.mark.parametrize("domains", DOMAINS, ids=str)
@pytest.mark.parametrize("bases", LOGINS, ids=str)
@pytest.mark.parametrize("failures", FAILURES)
@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_guard_lets_through_what_is_reckoned(domains, bases, failures, number):
    together = [
        Block(name, (client(failures=failures, login_domains=domains, login_base_dns=bases, directory=name),))
        for name in ("corp", "gc", "third")[:number]
    ]
    found = person(together)
    suffix = any("." in each for each in domains)
    ways = bool(bases) * (1 + bool(domains) + suffix)
    assert (0 if found is None else found.tries) == failures * ways * number
    if domains != ("elsewhere.example",):
        assert tried(together) == failures * ways * number


CLIENTS = [
    {"login_domains": domains, "login_base_dns": bases, "failures": failures}
    for domains, bases, failures in itertools.product(DOMAINS[:3], LOGINS[:2], (2, 5))
]


@pytest.mark.parametrize("first", CLIENTS, ids=str)
@pytest.mark.parametrize("second", CLIENTS, ids=str)
@pytest.mark.parametrize("same_block", [True, False])
def test_clients_with_different_settings(first, second, same_block):
    """Of one block they share the counts, and the most patient one of those that permit a name decides."""
    one, other = client("one", **first), client("other", **second, directory="corp" if same_block else "gc")
    together = [Block("corp", (one, other))] if same_block else [Block("corp", (one,)), Block("gc", (other,))]
    found = person(together)
    assert (0 if found is None else found.tries) == tried(together)


def test_a_client_whose_guard_is_off_lets_any_number_through():
    patient, off = client("patient", 9), client("off", 0, login_domains=())
    found = person([Block("corp", (patient, off))])
    assert found.tries is None
    assert [count.failures for count in found.counts] == [9, 9, None]


@pytest.mark.parametrize(
    ("listed", "names"),
    [
        (["svc@corp.example"], 1),
        (["CN=svc,OU=Service,DC=corp,DC=example", "svc@corp.example", "CORP\\SVC"], 1),
        (["CN=Mimecast Sync,OU=Service,DC=corp,DC=example", "svc@corp.example", "CORP\\svc"], 2),
        (["CN=Mimecast Sync,OU=Service,DC=corp,DC=example", "svc.sync@corp.example", "CORP\\svc"], 3),
    ],
)
@pytest.mark.parametrize("failures", FAILURES)
@pytest.mark.parametrize("number", [1, 2])
def test_a_sync_account_has_a_count_for_each_name_that_is_listed(listed, names, failures, number):
    together = [
        Block(name, (client(failures=failures, sync_accounts=tuple(listed), login_base_dns=(), directory=name),))
        for name in ("corp", "gc")[:number]
    ]
    (found,) = WorstCase(tuple(together)).exposures(CORP, "corp", DSE)[:1]
    assert found.who == "a sync account of client mimecast"
    assert found.tries == tried(together, listed) == failures * names * number


def test_a_mapped_account_is_tried_by_the_gateway_alone():
    account = MappedAccount("outer", (), OwnAccount("CN=svc,OU=Service,DC=corp,DC=example", OwnPassword(b"x")))
    found = WorstCase(
        (Block("corp", (client(sync_accounts=("outer",), mapped_accounts=(account,), login_base_dns=()),)),)
    ).exposures(CORP, "corp", DSE)
    assert [(each.who, each.tries) for each in found] == [("the gateway's own account of client mimecast", 3)]


def test_a_forwarded_account_is_tried_as_its_own_name_is():
    account = MappedAccount("outer@corp.example", ())
    mapped = client(sync_accounts=(account.name,), mapped_accounts=(account,), login_base_dns=())
    passed = client("other", sync_accounts=(account.name,), login_base_dns=())
    found = WorstCase((Block("corp", (mapped, passed)),)).exposures(CORP, "corp", DSE)
    assert [(each.who, each.tries) for each in found] == [
        ("a sync account of client mimecast", 3),
        ("a sync account of client other", 3),
    ]


def test_who_lets_nobody_sign_in_exposes_nobody():
    together = (Block("corp", (client(sync_accounts=(), login_base_dns=(), allow_anonymous=True),)),)
    assert WorstCase(together).exposures(CORP, "corp", DSE) == ()


def catalog(*contexts, shown=(), is_catalog=False, domains=("other.example",)):
    other = client("other", directory="gc", login_domains=domains)
    changed = policy(
        name="other", directory="gc", login_domains=domains, excluded_base_dns=(), lockout=other.lockout,
        naming_contexts=tuple(parse(each) for each in contexts), login_base_dns=tuple(parse(each) for each in contexts),
    )  # fmt: skip
    return Block("gc", (changed,), is_catalog, shown)


FOREST = "CN=Configuration,DC=corp,DC=example"
OF_ANOTHER_FOREST = RootDse(configuration_context="CN=Configuration,DC=elsewhere,DC=example")
OF_EMEA = RootDse(default_context="DC=emea,DC=corp,DC=example", configuration_context=FOREST)


@pytest.mark.parametrize(
    ("domain", "other", "together"),
    [
        # By the naming contexts of the configuration, wherever in the domain they begin.
        (CORP, catalog("DC=corp,DC=example"), True),
        (CORP, catalog("dc=CORP, dc=example"), True),
        (CORP, catalog("OU=Staff,DC=corp,DC=example"), True),
        (CORP, catalog("DC=other,DC=example"), False),
        (CORP, catalog("O=Corp"), False),
        (CORP, catalog("DC=emea,DC=corp,DC=example"), False),
        (EMEA, catalog("DC=corp,DC=example"), False),
        # A global catalog knows what is below its naming contexts, in other domains too.
        (EMEA, catalog("DC=corp,DC=example", is_catalog=True), True),
        (CORP, catalog("DC=emea,DC=corp,DC=example", is_catalog=True), False),
        # By what its servers show.
        (CORP, catalog("O=Corp", shown=(RootDse(default_context="DC=corp,DC=example"),)), True),
        (EMEA, catalog("O=Corp", shown=(RootDse(naming_contexts=("DC=corp,DC=example", str(EMEA))),)), True),
        (EMEA, catalog("O=Corp", shown=(RootDse(default_context="DC=corp,DC=example"),)), False),
        # In one forest a domain controller passes on names of another domain, where the clients may use them; it may be
        # one forest where no server was asked.
        (CORP, catalog(str(EMEA), shown=(OF_EMEA,), domains=("emea.example", "Corp.Example")), True),
        (CORP, catalog(str(EMEA), shown=(OF_EMEA,), domains=("emea.corp.example", "EMEA")), False),
        (CORP, catalog(str(EMEA), domains=("corp.example",)), True),
        (CORP, catalog(str(EMEA), shown=(OF_ANOTHER_FOREST,), domains=("corp.example",)), False),
        (CORP, catalog("O=Corp", domains=("corp.example",)), False),
    ],
)
def test_which_blocks_are_of_one_domain(domain, other, together):
    own = Block("corp", (client(),))
    dse = RootDse(default_context=str(domain), configuration_context=FOREST)
    found = WorstCase((other, own)).exposures(domain, "corp", dse)
    assert {count.directory for each in found for count in each.counts} == {"corp"} | ({"gc"} if together else set())


def test_dns_of_another_domain_are_not_of_this_one():
    """A login by name reaches the domain from a block of the same forest, a DN of another domain does not."""
    other = catalog(str(EMEA), shown=(OF_EMEA,), domains=("corp.example",))
    found = person([Block("corp", (client(),)), other])
    assert [count.name for count in found.counts if count.directory == "gc"] == ["userPrincipalName", "sAMAccountName"]


@pytest.mark.parametrize(("label", "ways"), [("corp", 3), ("CORP", 3), ("NETBIOS", 2), ("a.suffix", 3)])
def test_a_domain_of_one_label(label, ways):
    only = policy(
        directory="corp",
        naming_contexts=(parse("DC=corp"),),
        login_base_dns=(parse("DC=corp"),),
        login_domains=(label,),
    )
    found = person([Block("corp", (only,))], RootDse(default_context="DC=corp"), parse("DC=corp"))
    assert len(found.counts) == ways


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("DC=corp,DC=example", "DC=corp,DC=example"),
        ("OU=Staff,DC=corp,0.9.2342.19200300.100.1.25=example", "DC=corp,DC=example"),
        ("DC=a,OU=b,domainComponent=example", "DC=example"),
        ("OU=Staff,O=Corp", None),
    ],
)
def test_the_domain_of_a_name(name, domain):
    found = domain_of(parse(name))
    assert found is None if domain is None else found.same(parse(domain))


def test_blocks_are_made_of_clients_and_of_what_servers_show():
    def directory(name, url, discover=None):
        return DirectorySettings(name, () if url is None else (server_settings(url, None),), None, discover=discover)

    found = DiscoverySettings("_gc._tcp.corp.example", 3269, ("corp.example",))
    directories = [
        directory("corp", "ldaps://dc1.corp.example"),
        directory("gc", "ldaps://dc1.corp.example:3269"),
        directory("found", None, found),
    ]
    clients = [ClientSettings(client(f"of {each.name}", directory=each.name), (), each) for each in directories]
    clients.append(ClientSettings(client("second"), (), directories[0]))
    made = blocks(clients, {"corp": [DSE]})
    assert [(block.name, block.is_catalog, block.shown) for block in made] == [
        ("corp", False, (DSE,)),
        ("gc", True, ()),
        ("found", True, ()),
    ]
    assert [each.name for each in made[0].clients] == ["of corp", "second"]
