"""As whom a tool signs in for a mapped account."""

from gateway.ask.findings import Area
from gateway.ask.own_account import check_secret, own_account, signing_in_as
from gateway.ldap.messages import BindRequest, SimpleAuthentication
from gateway.policy.bind import BindJudge
from tests.observe.ledgers import settings
from tests.policy.mapped import OWN_DN, forwarded_account, mapped_account, mapped_changes
from tests.tools.said import Said

CHANGES = mapped_changes(mapped_account("mapped"), forwarded_account("forwarded"))


def test_the_gateways_own_account_where_there_is_one():
    policy = settings("mimecast", **CHANGES).clients[0].policy
    own = own_account(policy, "mapped")
    assert own is not None and own.bind_dn == OWN_DN
    assert own_account(policy, "forwarded") is None
    assert own_account(policy, "other") is None


def test_a_forwarded_account_signs_in_by_its_own_name_and_no_secret_is_verified():
    client = signing_in_as(settings("mimecast", **CHANGES).clients[0], "forwarded")
    plan = BindJudge(client.policy).decide(BindRequest(3, "forwarded", SimpleAuthentication(b"Secret-Passw0rd")))
    assert (plan.request.name, plan.mapped) == ("forwarded", None)


def test_of_a_forwarded_account_there_is_no_password_to_compare():
    said = Said(Area.account, "mimecast")
    check_secret(said.section, forwarded_account("forwarded", "$argon2id$none"))
    assert said.findings == []
