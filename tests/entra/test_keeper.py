"""What the keeper of a copy does with whatever Graph answers, and what it says of it."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from threading import Thread

import pytest

from gateway.demo.tenant.delta import Untidiness
from gateway.demo.tenant.graph import PERMISSIONS
from gateway.demo.tenant.mishaps import BEGIN_ANEW, Fault, Mishap
from gateway.demo.tenant.model import Kind, TenantObject
from gateway.entra.keeper import Keeper
from gateway.entra.publishing import Held
from gateway.entra.settings import DAY, GroupChoice
from gateway.entra.status import Phase, accept, read_status
from gateway.entra.trouble import Passing, Stopped, StopRequested
from tests.entra.played import ORIGIN, SECRET, Played, Wire, uuid


@pytest.fixture
def played(tmp_path):
    found = Played(tmp_path)
    ada, ben = found.person(1, mail="ada@x.example"), found.person(2, mail="ben@x.example")
    found.group(11, [ada, ben])
    found.contact(21)
    return found


def names(played):
    return sorted(dn.split(",")[0] for dn in played.shown() if dn.startswith("CN="))


EVERYBODY = ["CN=Contact 21 (00000015)", "CN=Group 11 (0000000b)", "CN=Person 1 (00000001)", "CN=Person 2 (00000002)"]


def faults(played, *mishaps, target="", retry_after=None):
    """Lets answers go wrong in turn, those to questions with `target` in them. Returns those that are left."""
    left = list(mishaps)

    def fault(asked):
        if not left or target not in asked.target:
            return None
        mishap = left.pop(0)
        return None if mishap is None else Fault(mishap, retry_after)

    played.graph.behaviour.fault = fault
    return left


def asked(played, begin=0):
    """The kinds of questions since, in order."""
    return [target.partition("=")[0].removeprefix("/v1.0/") for target in played.graph.asked[begin:]]


def status(played):
    return read_status(played.settings.store)


def test_a_first_round_reads_everything_and_the_next_one_what_changed(played):
    played.once()
    assert names(played) == EVERYBODY
    assert asked(played)[:4] == [f"{kind}/delta?$select" for kind in Kind] + ["users/$count"]
    played.tenant.change(uuid(1), {"displayName": "Ada"})
    before = len(played.graph.asked)
    played.time.seconds += 600
    played.once()
    assert asked(played, before) == [*[f"{kind}/delta?$deltatoken" for kind in Kind], "users/$count"]
    assert played.shown()["CN=Person 1 (00000001),OU=Users,DC=corp,DC=example"]["displayName"] == [b"Ada"]
    found = status(played)
    assert found.told.phase is Phase.ready
    assert (found.published_at, found.last_full) == (played.time.seconds, played.time.seconds - 600)
    assert [run.outcome for run in found.runs] == ["published", "published"]
    assert found.figures["users with mail"] == 2


@pytest.mark.parametrize("retry_after", ["7.25", "0", None, "soon", "-1", "nan", "inf", "1e9"])
def test_who_is_asked_to_wait_waits_as_long_as_is_asked_for(played, retry_after):
    faults(played, Mishap.throttled, Mishap.throttled, retry_after=retry_after)
    played.once()
    expected = {"7.25": [7.25, 7.25], "0": [], "1e9": [3600.0, 3600.0]}.get(retry_after)
    if expected is None:
        first, second = played.time.slept
        assert 1 <= first <= 2 <= second <= 4
    else:
        assert played.time.slept == expected
    targets = played.graph.asked
    assert targets[0] == targets[1] == targets[2]
    assert "Graph wants to be asked less often (429)" in played.said[0]


@pytest.mark.parametrize(
    ("mishap", "said"),
    [
        (Mishap.unavailable, "cannot answer now (503)"),
        (Mishap.bad_gateway, "cannot answer now (502)"),
        (Mishap.no_answer, "the connection broke"),
        (Mishap.cut, "the connection broke"),
        (Mishap.ends_early, "ends early"),
        (Mishap.not_json, "is no JSON"),
        (Mishap.redirected, "the token does not go there"),
        (Mishap.both_links, "both"),
        (Mishap.no_link, "neither"),
        (Mishap.link_elsewhere, "another place"),
        (Mishap.same_link, "back to a page"),
        (Mishap.no_id, "without an id"),
        (Mishap.wrong_type, "not a string"),
        (Mishap.no_value, "no list"),
    ],
)
def test_what_passes_is_asked_for_again_at_the_same_url(played, mishap, said):
    left = faults(played, None, mishap)
    played.once()
    assert left == []
    assert played.graph.asked[1] == played.graph.asked[2]
    assert names(played) == EVERYBODY
    assert said in played.said[0]
    assert len(played.time.slept) == 1
    assert all(ORIGIN not in text and "graph.elsewhere" not in text for text in played.said)


@pytest.mark.parametrize("mishap", list(Mishap))
def test_what_does_not_pass_changes_nothing_that_is_visible(played, mishap):
    played.once()
    before, at = played.shown(), status(played).published_at
    played.tenant.remove(uuid(1))
    played.time.seconds += 600
    faults(played, *[mishap] * 200)
    with pytest.raises((Passing, Stopped, StopRequested)):
        played.once(patience=8)
    assert played.shown() == before
    assert status(played).published_at == at
    faults(played)
    played.once()
    played.once()
    assert names(played) == [name for name in EVERYBODY if "Person 1" not in name]


@pytest.mark.parametrize("mishap", sorted(BEGIN_ANEW))
def test_where_graph_cannot_go_on_everything_is_read_anew_while_the_old_copy_is_visible(played, mishap):
    played.once()
    played.tenant.remove(uuid(1))
    seen = []
    faulty = [mishap]

    def fault(asked):
        seen.append(names(played) == EVERYBODY or "$select=id" in asked.target)
        return Fault(faulty.pop()) if faulty else None

    played.graph.behaviour.fault = fault
    played.time.seconds += 600
    before = len(played.graph.asked)
    played.once()
    assert all(seen)
    assert asked(played, before)[:4] == ["users/delta?$deltatoken", *[f"{kind}/delta?$select" for kind in Kind]]
    assert "CN=Person 1 (00000001)" not in names(played)
    assert "everything is read anew" in status(played).runs[1].outcome


def test_a_page_that_stays_wrong_has_everything_read_anew(played):
    played.once()
    played.time.seconds += 600
    before = len(played.graph.asked)
    faults(played, *[Mishap.no_id] * 5)
    played.once()
    assert asked(played, before)[:6] == ["users/delta?$deltatoken"] * 5 + ["users/delta?$select"]
    assert names(played) == EVERYBODY


def test_a_link_of_a_page_that_was_asked_for_twice_may_lead_nowhere(played):
    played.graph.behaviour.untidy = Untidiness(page=1)
    played.graph.behaviour.retried_tokens_fail = True
    faults(played, None, Mishap.cut)
    played.once()
    assert names(played) == EVERYBODY


@pytest.mark.parametrize("kind", list(Kind))
def test_a_permission_that_is_missing_is_named_and_stops_it(played, kind):
    played.graph.behaviour.permissions = set(PERMISSIONS.values()) - {PERMISSIONS[kind]}
    with pytest.raises(Stopped, match=rf"read {kind}: grant {PERMISSIONS[kind]} as an application permission"):
        played.once()
    assert not played.shown()
    played.graph.behaviour.permissions = set(PERMISSIONS.values())
    played.once()
    assert names(played) == EVERYBODY


def test_a_property_that_graph_does_not_give_is_named_and_stops_it(played):
    played.graph.behaviour.unsupported = {"faxNumber"}
    with pytest.raises(Stopped, match=r"properties of users \(400: .*faxNumber\)"):
        played.once()


def test_a_token_that_graph_does_not_take_is_renewed_once(played):
    faults(played, Mishap.unauthorized)
    played.once()
    assert played.cloud.authority.given == 2
    played.time.seconds += 600
    faults(played, Mishap.unauthorized, Mishap.unauthorized)
    with pytest.raises(Stopped, match="not even a new one"):
        played.once()


def test_a_token_is_asked_for_when_it_ends(played):
    with closing(played.keeper()) as keeper:
        keeper.once()
        keeper.once()
        assert played.cloud.authority.given == 1
        played.time.seconds += 3300
        keeper.once()
    assert played.cloud.authority.given == 2


def test_a_cursor_of_six_days_is_not_used(played):
    played.once()
    played.time.seconds += 6 * DAY - 1
    before = len(played.graph.asked)
    played.once()
    assert asked(played, before)[0] == "users/delta?$deltatoken"
    played.time.seconds += 6 * DAY
    before = len(played.graph.asked)
    played.once()
    assert asked(played, before)[0] == "users/delta?$select"


def test_every_week_everything_is_read_anew(played):
    played.once()
    for _ in range(4):
        played.time.seconds += 2 * DAY
        played.once()
    assert [run.kind for run in status(played).runs] == ["full", "delta", "delta", "delta", "full"]


def test_other_settings_have_everything_read_anew(played):
    played.once()
    played.person(3, userType="Guest")
    played.copying(guests=True, contacts=False)
    played.once()
    assert status(played).runs[0].kind == "full"
    assert names(played) == [
        "CN=Group 11 (0000000b)",
        "CN=Person 1 (00000001)",
        "CN=Person 2 (00000002)",
        "CN=Person 3 (00000003)",
    ]


def test_another_tenant_gets_another_file(played):
    played.once()
    played.settings = type(played.settings)(
        "cloud",
        type(played.settings.tenant)(played.settings.tenant.tenant, "", played.settings.tenant.credential),
        played.settings.copy,
        played.settings.store,
        played.settings.rounds,
    )
    with closing(played.keeper(1)) as keeper, pytest.raises((Passing, Stopped)):
        keeper.once()
    assert not played.shown()
    assert "is a copy of another tenant; it is now copy.sqlite3.2023" in played.said[0]
    assert played.replaced == 1


def test_a_person_who_came_back_unseen_is_found_by_two_looks_at_all_ids(played):
    played.tenant.remove(uuid(1))
    played.once()
    played.tenant.restore(uuid(1), reported=False)
    kinds = []
    for _ in range(3):
        played.time.seconds += 3600
        played.once()
        kinds.append((status(played).runs[0].kind, len(names(played))))
    assert kinds == [("delta", 3), ("delta", 3), ("full", 4)]


def test_an_id_that_only_lists_have_does_not_have_everything_read_anew_for_ever(played):
    played.once()
    real, phantom = played.tenant.present, TenantObject(uuid(5), Kind.users, {})
    # Only lists and the count go through `present`.
    played.tenant.present = lambda kind: [*real(kind), *([phantom] if kind is Kind.users else [])]
    kinds = []
    for _ in range(6):
        played.time.seconds += 3600
        played.once()
        kinds.append(status(played).runs[0].kind)
    assert kinds == ["delta", "delta", "full", "delta", "delta", "delta"]


def test_an_id_that_a_list_lacks_removes_nobody(played):
    played.once()
    played.graph.tenant.present = lambda kind: iter(())
    played.keeping(keep_at_least=0)
    for _ in range(3):
        played.time.seconds += 3600
        played.once()
    assert names(played) == EVERYBODY


def many(played, number):
    for each in range(100, 100 + number):
        played.person(each, mail=f"p{each}@x.example")


def test_a_copy_that_lost_too_much_is_held_until_somebody_accepts_it(played):
    many(played, 20)
    played.keeping(keep_at_least=80)
    played.once()
    before = played.shown()
    for each in range(100, 106):
        played.tenant.purge(uuid(each))
    played.time.seconds += 600
    with closing(played.keeper()) as keeper:
        with pytest.raises(
            Held, match=r"of 22 users 16 are left; of 22 users with mail 16 are left \(keep_at_least: 80%\)"
        ):
            keeper.once()
        assert played.shown() == before
        assert status(played).told.phase is Phase.held
        before_asked = len(played.graph.asked)
        with pytest.raises(Held, match="of 22 users 16 are left"):
            keeper.once()
        assert len(played.graph.asked) == before_asked
        assert accept(played.settings.store)
        keeper.once()
    assert len(names(played)) == 18
    assert status(played).told.phase is Phase.ready
    assert not accept(played.settings.store)


def test_a_copy_that_lost_links_is_held(played):
    many(played, 20)
    for each in range(100, 120):
        played.tenant.link(uuid(11), uuid(each))
    played.keeping(keep_at_least=80)
    played.once()
    for each in range(100, 110):
        played.tenant.unlink(uuid(11), uuid(each))
    with pytest.raises(Held, match="of 22 links 12 are left"):
        played.once()


@pytest.mark.parametrize("off", [-10, 10])
def test_a_copy_that_graphs_own_count_contradicts_is_held(played, off):
    many(played, 20)
    played.keeping(keep_at_least=80)
    played.graph.behaviour.count_off = off
    with pytest.raises(Held, match=f"the new copy has 22 people, and Graph counts {22 + off}"):
        played.once()
    assert not played.shown()
    played.graph.behaviour.count_off = 0


def test_a_copy_that_is_held_for_too_long_is_fetched_anew(played):
    many(played, 20)
    played.keeping(keep_at_least=80)
    played.graph.behaviour.count_off = 100
    with pytest.raises(Held):
        played.once()
    played.graph.behaviour.count_off = 0
    played.time.seconds += 6 * DAY
    played.once()
    assert len(names(played)) == 24


def test_an_acceptance_is_for_the_copy_that_was_held_and_for_no_other(played):
    many(played, 20)
    played.keeping(keep_at_least=80)
    played.graph.behaviour.count_off = 100
    with pytest.raises(Held):
        played.once()
    assert accept(played.settings.store)
    played.time.seconds += 6 * DAY
    for _ in range(2):
        with pytest.raises(Held):
            played.once()
    assert not played.shown()


def test_who_gets_an_entry_has_everything_read_anew(played):
    played.copying(groups=GroupChoice.mail)
    # Never said to have mail or not: nothing at all is kept of it.
    played.tenant.add(Kind.groups, uuid(12), {"displayName": "Odd", "description": "whatever"})
    played.once()
    played.graph.behaviour.untidy = Untidiness(partial=1.0)
    played.tenant.change(uuid(12), {"mailEnabled": True})
    played.time.seconds += 600
    played.once()
    (entry,) = [entry for dn, entry in played.shown().items() if dn.startswith("CN=Odd")]
    assert entry["description"] == [b"whatever"]
    assert status(played).runs[0].kind == "full"


def test_few_more_or_less_are_not_compared(played):
    played.keeping(keep_at_least=80)
    played.once()
    played.tenant.purge(uuid(1))
    played.once()
    assert "CN=Person 1 (00000001)" not in names(played)


def test_a_round_goes_on_where_another_process_left_it(played):
    played.graph.behaviour.untidy = Untidiness(page=1)
    faults(played, None, *[Mishap.unavailable] * 2)
    with pytest.raises(Passing):
        played.once(patience=2)
    left = status(played)
    assert left.staged["users"] == (1, 1, False)
    played.once()
    questions = asked(played)
    assert questions.count("users/delta?$select") == 1
    assert names(played) == EVERYBODY


@pytest.mark.parametrize(
    ("choice", "expected"),
    [(GroupChoice.all, {11, 12, 13}), (GroupChoice.mail, {11, 12}), (GroupChoice.security, {12, 13})],
)
def test_only_groups_that_were_chosen_have_entries_and_their_members_stay_known(played, choice, expected):
    played.group(12, [uuid(1)], securityEnabled=True)
    played.group(13, [uuid(2)], securityEnabled=True, mailEnabled=False)
    played.copying(groups=choice)
    played.once()
    assert {int(name[-3:-1], 16) for name in names(played) if "Group" in name} == expected
    played.tenant.change(uuid(13), {"mailEnabled": True})
    played.tenant.change(uuid(11), {"securityEnabled": True})
    played.time.seconds += 600
    played.once()
    assert {int(name[-3:-1], 16) for name in names(played) if "Group" in name} == {11, 12, 13}
    (group,) = [entry for dn, entry in played.shown().items() if dn.startswith("CN=Group 13")]
    assert group["member"] == [b"CN=Person 2 (00000002),OU=Users,DC=corp,DC=example"]


def test_what_is_known_of_a_guest_who_is_not_wanted_is_that_it_is_one(played):
    played.person(3, userType="Guest", mail="guest@x.example")
    played.once()
    with closing(sqlite3.connect(played.settings.store)) as connection:
        found = connection.execute(
            "SELECT document FROM object JOIN name USING (number) WHERE hex(id) LIKE '00000003%'"
        ).fetchall()
    assert found == [('{"userType":"Guest"}',)]


def test_a_member_of_whom_graph_does_not_say_whether_the_account_is_enabled_is_not_taken(played):
    played.tenant.add(Kind.users, uuid(3), {"displayName": "Odd", "userType": "Member"})
    with pytest.raises(Passing, match=f"Graph tells {uuid(3)} without accountEnabled"):
        played.once(patience=2)
    assert not played.shown()


def test_who_comes_back_after_everything_was_read_anew_has_everything_read_anew(played):
    played.once()
    played.tenant.remove(uuid(11))
    played.time.seconds += 7 * DAY
    played.once()
    assert status(played).runs[0].kind == "full"
    played.tenant.restore(uuid(11))
    played.time.seconds += 600
    played.once()
    assert status(played).runs[0].kind == "full"
    (group,) = [entry for dn, entry in played.shown().items() if dn.startswith("CN=Group 11")]
    assert len(group["member"]) == 2


def test_when_an_entry_changed_is_when_that_was_first_shown(played):
    played.once()

    def changed():
        return {dn[:13]: entry["whenChanged"][0] for dn, entry in played.shown().items() if dn.startswith("CN=")}

    at = changed()
    assert len(set(at.values())) == 1
    played.tenant.change(uuid(2), {"city": "Bern"})
    played.time.seconds += 600
    played.once()
    now = changed()
    assert {name for name in now if now[name] != at[name]} == {"CN=Person 2 ("}
    played.time.seconds += 7 * DAY
    played.once()
    assert status(played).runs[0].kind == "full"
    assert changed() == now


def test_the_secret_is_in_no_text(played, caplog):
    caplog.set_level("DEBUG")
    faults(played, *list(Mishap))
    with pytest.raises(Stopped):
        played.once()
    played.cloud.authority.app = type(played.cloud.authority.app)("x", "y")
    with pytest.raises(Stopped) as raised:
        played.once()
    assert SECRET not in "".join(played.said) + str(raised.value) + caplog.text
    assert SECRET not in repr(played.keeper())


def test_run_makes_rounds_until_it_is_stopped_and_says_each_thing_once(played):
    rounds = []

    def sleep(seconds):
        rounds.append(seconds)
        played.time.seconds += seconds
        if len(rounds) == 2:
            played.graph.behaviour.permissions = ()
        if len(rounds) == 4:
            played.graph.behaviour.permissions = set(PERMISSIONS.values())
        if len(rounds) == 6:
            raise StopRequested

    played.time.sleep = sleep
    played.keeper().run()
    assert [540 <= seconds <= 660 for seconds in rounds] == [True, True, False, False, True, True]
    assert rounds[2:4] == [900.0, 900.0]
    assert len(played.said) == 1
    assert "grant User.Read.All" in played.said[0]


def test_a_round_ends_between_two_pages_where_the_process_is_to_end(played):
    played.graph.behaviour.untidy = Untidiness(page=1)
    left = [2]

    def go_on():
        left[0] -= 1
        if left[0] < 0:
            raise StopRequested

    clock = replace(played.time.clock(), go_on=go_on)
    Keeper(played.settings, played.said.append, clock=clock, transport=Wire(played.cloud)).run()
    assert asked(played) == ["users/delta?$select", "users/delta?$skiptoken"]
    played.once()
    assert asked(played).count("users/delta?$select") == 1
    assert names(played) == EVERYBODY
    assert played.said == []


def test_stop_ends_run_from_another_thread(played):
    keeper = Keeper(played.settings, played.said.append, transport=Wire(played.cloud))
    thread = Thread(target=keeper.run)
    thread.start()
    keeper.stop()
    thread.join(60)
    assert not thread.is_alive()
