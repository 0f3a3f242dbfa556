"""Identities as "Who am I?" tells them: what one gateway writes, another one reads as the same."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.ldap.dn import parse
from gateway.policy.authorization_identity import read_identity, write_identity
from gateway.policy.bind import BindJudge
from gateway.policy.bind_name import read_bind_name
from gateway.policy.decision import LoginName
from tests.examples import examples
from tests.ldap.strategies import dns, rdns
from tests.policy.policies import policy

SYNC_DN = "CN=svc-sync,OU=Service,DC=corp,DC=example"
STAFF = parse("OU=Staff,DC=corp,DC=example")


@pytest.mark.parametrize(
    ("authzid", "found"),
    [
        (b"u:CORP\\jane", "jane"),
        (b"u:jane@corp.example", "jane"),
        (b"u:jane", None),
        (b"u:", None),
        (b"dn:", None),
        (b"", None),
        (b"dn:jane", None),
        (b"dn:CN=\xff\x00", None),
        (b"CN=x,DC=y", None),
        (b"DN:CN=x,DC=y", None),
    ],
)
def test_what_is_no_identity_is_nobodys(authzid, found):
    assert read_identity(authzid) == found


def test_a_dn_is_read():
    assert str(read_identity(b"dn:CN=x,DC=y")) == "CN=x,DC=y"


@pytest.mark.parametrize(
    ("name", "dn", "written"),
    [
        ("", "", b""),
        (SYNC_DN, "", f"dn:{SYNC_DN}".encode()),
        ("svc-sync@corp.example", "", b"u:svc-sync@corp.example"),
        ("CORP\\svc-sync", "", b"u:CORP\\svc-sync"),
        ("mimecast-sync", "", b"u:mimecast-sync"),
        ("Z\u00fc@corp.example", "", "u:Z\u00fc@corp.example".encode()),
        ("jane@corp.example", f"CN=Doe\\, Jane,{STAFF}", f"dn:CN=Doe\\, Jane,{STAFF}".encode()),
    ],
)
def test_who_is_bound_is_told_by_dn_where_there_is_one_and_by_name_otherwise(name, dn, written):
    assert write_identity(name, dn) == written


@settings(max_examples=examples(300), deadline=None)
@given(dns.filter(lambda dn: dn.rdns))
def test_a_dn_with_any_characters_comes_back(dn):
    for written in (write_identity(str(dn), ""), write_identity("jane@corp.example", str(dn))):
        assert written.startswith(b"dn:")
        assert read_identity(written) == dn


account_names = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=12)


@settings(max_examples=examples(300), deadline=None)
@given(account_names, st.sampled_from(["{}@corp.example", "CORP\\{}", "{}"]))
def test_a_name_without_a_dn_comes_back_as_a_name_and_never_as_a_dn(name, form):
    """Whatever name a session can be bound as: no name may be written as the DN of somebody else."""
    judge = BindJudge(policy(sync_accounts=(form.format(name), SYNC_DN)))
    bound = next(iter(judge._sync_names.values()), None)
    if bound is None or (form == "{}" and isinstance(read_bind_name(name), LoginName)):
        # No account can have that name, or the name is of one of the other forms by itself.
        return
    assert write_identity(bound, "") == b"u:" + bound.encode()
    assert read_identity(write_identity(bound, "")) == (None if form == "{}" else name)


@settings(max_examples=examples(200), deadline=None)
@given(rdns)
def test_a_person_is_told_with_the_configured_spelling_of_the_login_base(rdn):
    judge = BindJudge(policy(excluded_base_dns=()))
    dn = type(STAFF)((rdn, *STAFF.rdns))
    for spelling in (str(dn), str(dn).replace(str(STAFF), "ou=STAFF, dc=corp,dc=EXAMPLE")):
        assert judge.permitted_person(spelling) == dn
    assert judge.permitted_person(f"{type(STAFF)((rdn,))},OU=Other,DC=corp,DC=example") is None
