"""What is in an entry that may not be seen cannot be tried out, by pages and limits of real servers."""

import pytest

from gateway.ask.client import Entry, SearchDone
from gateway.ldap.controls import PAGED_RESULTS, PagedResults, paged_results
from gateway.ldap.filter_text import parse_filter
from gateway.ldap.messages import WHOLE_SUBTREE, SearchRequest
from tests.servers import test_samba, test_slapd
from tests.servers.sync_client import connect


class Site:
    """base: what is searched. hidden: the address of somebody in it who may not be seen; seen: of somebody who may."""

    def __init__(self, running, account, base, hidden, seen):
        self.running = running
        self.account = account
        self.base = base
        self.hidden = hidden
        self.seen = seen


def addresses(connection, base):
    """The DN and an address of everybody below, who may be many."""
    connection.search(base, "(mail=*)", "SUBTREE", attributes=["mail"], size_limit=400)
    found = [each for each in connection.response if each["type"] == "searchResEntry"]
    return [(each["dn"], each["raw_attributes"]["mail"][0].decode()) for each in found]


@pytest.fixture(scope="module")
def at_slapd(certificates, slapd, start_gateway):
    running = start_gateway(test_slapd.gateway_configuration(certificates, slapd))
    connection = connect("127.0.0.1", slapd.port, slapd.certificates.ca_file, *test_slapd.ACCOUNT)

    (_, hidden), *_ = addresses(connection, test_slapd.BOARD)
    seen = next(mail for dn, mail in addresses(connection, test_slapd.STAFF) if "Board" not in dn)
    return Site(running, test_slapd.ACCOUNT, test_slapd.STAFF, hidden, seen)


@pytest.fixture(scope="module")
def at_samba(certificates, samba, start_gateway):
    excluded = f"OU=R\\+D,OU=Staff,{test_samba.SUFFIX}"
    client = {"excluded_base_dns": [excluded]}
    running = start_gateway(test_samba.gateway_configuration(certificates, samba, **client))
    connection = connect(samba["LAB_IP"], 636, samba["LAB_CA"], samba["LAB_SVC_UPN"], samba["LAB_SVC_PW"])
    base = f"OU=Staff,{test_samba.SUFFIX}"
    found = addresses(connection, base)
    hidden = next(mail for dn, mail in found if dn.endswith(excluded))
    seen = next(mail for dn, mail in found if not dn.endswith(excluded))
    return Site(running, (samba["LAB_SVC_UPN"], samba["LAB_SVC_PW"]), base, hidden, seen)


@pytest.fixture(params=["at_slapd", "at_samba"])
def site(request):
    return request.getfixturevalue(request.param)


def look(client, site, guess, *, size_limit=0, page=None):
    """What the client sees, page by page: names, result codes and whether there is a cookie."""
    filter_ = parse_filter(f"(|(mail={site.seen})(mail={guess}))")
    request = SearchRequest(site.base, WHOLE_SUBTREE, filter_, ("mail",), size_limit=size_limit)
    cookie, seen = b"", []
    while True:
        controls = () if page is None else (PagedResults(page, cookie).to_control(True),)
        client.socket.sendall(client.client.search(request, controls).data)
        names = []
        while not isinstance(event := client.event(), SearchDone):
            assert isinstance(event, Entry)
            names.append(event.entry.dn)
        cookies = [paged_results(x).cookie for x in event.controls if x.oid == PAGED_RESULTS]
        cookie = cookies[0] if cookies else b""
        seen.append((names, event.result.code, event.result.diagnostic, bool(cookie)))
        if not cookie:
            return seen


@pytest.mark.parametrize("how", [{"page": 1}, {"page": 2}, {"size_limit": 1}, {"size_limit": 1, "page": 1}])
def test_a_right_guess_at_a_hidden_address_looks_like_a_wrong_one(site, open_client, how):
    client = open_client(site.running, *site.account)
    right = look(client, site, f"{site.hidden[:-1]}*", **how)
    wrong = look(client, site, "no-such-address-at-all*", **how)
    assert right == wrong
    assert [code for _, code, _, _ in right] == [0]
    assert [len(names) for names, _, _, _ in right] == [1]
