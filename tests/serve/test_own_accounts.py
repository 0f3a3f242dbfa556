"""What a reload makes of the passwords of the gateway's own accounts."""

from itertools import pairwise

from gateway.policy.lockout import GuardedAccount
from gateway.serve.own_accounts import take_new_passwords
from tests.observe.ledgers import settings
from tests.policy.mapped import OWN_DN, forwarded_account, mapped_account, mapped_changes

OWN = GuardedAccount("corp", "dn:svc-gateway,staff,corp,example", sync=True)


class Forgotten(list):
    """As much of Attempts as is used."""

    forget = list.append


def load(password=b"Old-Passw0rd", bind_dn=OWN_DN, clients=("mimecast",)):
    account = mapped_account("sync", bind_dn=bind_dn, password=password)
    return settings(*clients, **mapped_changes(account))


def password(loaded, client=0):
    return loaded.clients[client].policy.mapped_accounts[0].own.password


def reload(*loads):
    forgotten = Forgotten()
    for old, new in pairwise(loads):
        take_new_passwords(old, new, forgotten)
    return forgotten


def test_the_same_password_again_changes_nothing():
    first, second = load(), load()
    assert reload(first, second) == []
    assert not password(first).replaced


def test_another_password_is_a_fresh_start_and_the_old_one_is_not_tried():
    first, second = load(), load(b"New-Passw0rd")
    assert reload(first, second) == [OWN]
    assert (password(first).replaced, password(second).replaced) == (True, False)


def test_a_password_that_is_several_loads_old_is_not_tried_either():
    loads = [load(), load(), load(), load(b"New-Passw0rd"), load(b"New-Passw0rd")]
    assert reload(*loads) == [OWN]
    assert [password(each).replaced for each in loads] == [True, True, True, False, False]


def test_another_spelling_of_the_account_is_the_same_account():
    first, second = load(), load(b"New-Passw0rd", "cn=SVC-gateway,OU=STAFF,dc=corp,dc=example")
    assert reload(first, second) == [OWN]
    assert password(first).replaced


def test_an_account_that_is_gone_is_tried_by_the_sessions_that_have_it():
    first, second = load(), settings("mimecast")
    assert reload(first, second) == []
    assert not password(first).replaced


def test_each_client_of_one_account_learns_of_it():
    first, second = load(clients=("a", "b")), load(b"New-Passw0rd", clients=("b",))
    reload(first, second)
    assert password(first, 0).replaced
    assert password(first, 1).replaced


def test_other_hashes_of_a_mapped_account_are_a_fresh_start_for_its_secret():
    first = load()
    account = mapped_account("sync", "$argon2id$another")
    second = settings("mimecast", **mapped_changes(account))
    assert GuardedAccount("corp", "mapped:mimecast/sync", sync=True) in reload(first, second)


def test_other_hashes_of_a_forwarded_account_are_a_fresh_start_at_the_server_as_well():
    def load_forwarded(*hashes):
        return settings("mimecast", **mapped_changes(forwarded_account("sync@corp.example", *hashes)))

    first = load_forwarded("$argon2id$one")
    assert reload(first, load_forwarded("$argon2id$one")) == []
    assert reload(first, load_forwarded("$argon2id$another")) == [
        GuardedAccount("corp", "mapped:mimecast/sync@corp.example", sync=True),
        GuardedAccount("corp", "name:sync", sync=True),
    ]
