"""Whether the stand-in's payloads and our table of properties are what Microsoft's own schema says.

Who writes both ends proves only that they agree with each other. `graph_properties.tsv` has names, types and
nullability from Microsoft's CSDL.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from random import Random

import pytest

from gateway.demo.tenant.authority import App
from gateway.demo.tenant.cloud import Cloud
from gateway.demo.tenant.delta import Untidiness
from gateway.demo.tenant.made_up import make_tenant
from gateway.demo.tenant.model import ODATA_TYPE, Kind
from gateway.demo.tenant.wire import Asked
from gateway.entra.page import RELATIONS, read_page
from gateway.entra.properties import PROPERTIES, Collection
from gateway.entra.settings import CopySettings
from gateway.entra.wanted import Wanted
from gateway.ldap.dn import parse
from tests.entra.played import BASE, CLIENT, EVERYTHING, ORIGIN, SECRET, TENANT

TYPES = {Kind.users: "user", Kind.groups: "group", Kind.contacts: "orgContact"}


def table():
    """By type and name the type of a property, and whether it may be null."""
    text = (Path(__file__).parent / "graph_properties.tsv").read_text()
    rows = [line.split("\t") for line in text.splitlines() if not line.startswith("#")]
    return {(kind, name): (type, null == "null") for kind, name, type, null in rows}


TABLE = table()


def fault(type, value):
    """What is wrong with a value of a property; None where it is as the schema says."""
    inner = re.fullmatch(r"Collection\((.+)\)", type)
    if inner is not None:
        found = [fault(inner[1], each) for each in value] if isinstance(value, list) else [f"{value!r} is no list"]
        return next((each for each in found if each is not None), None)
    if type.startswith("graph."):
        return structure_fault(type.removeprefix("graph."), value)
    checks = {
        "Edm.String": lambda: isinstance(value, str),
        "Edm.Boolean": lambda: isinstance(value, bool),
        "Edm.DateTimeOffset": lambda: re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", value) is not None,
    }
    return None if checks[type]() else f"{value!r} is no {type}"


def structure_fault(kind, value):
    enumeration = TABLE.get((kind, ""))
    if enumeration is not None:
        return None if value in enumeration[0].split()[1:] else f"{value!r} is no {kind}"
    if not isinstance(value, dict):
        return f"{value!r} is no {kind}"
    return next(
        (f"{kind} {name}: {found}" for name, each in value.items() if (found := member_fault(kind, name, each))), None
    )


def member_fault(kind, name, value):
    if (kind, name) not in TABLE:
        return "is not in the schema"
    type, may_be_null = TABLE[kind, name]
    if value is None:
        return None if may_be_null else "must not be null"
    return fault(type, value)


def item_fault(kind, item):
    """What is wrong with an object of a page."""
    members = dict(item)
    relation = members.pop("members@delta" if kind is Kind.groups else "manager@delta", [])
    for link in relation:
        if link.get("@odata.type") not in ODATA_TYPE.values() or set(link) - {"@odata.type", "id", "@removed"}:
            return f"{link!r} is no link"
    removed = members.pop("@removed", None)
    if removed is not None and (
        removed not in ({"reason": "changed"}, {"reason": "deleted"}) or set(members) != {"id"}
    ):
        return f"{item!r} is not removed in Graph's way"
    return structure_fault(TYPES[kind], members)


def payloads(select):
    """All objects that the stand-in tells of a made-up tenant, with its history."""
    tenant = make_tenant()
    cloud = Cloud(tenant, App(TENANT, CLIENT, SECRET), random=Random(3))
    cloud.at(ORIGIN)
    cloud.graph._is_valid = lambda token: True
    cloud.graph.behaviour.untidy = Untidiness(
        page=7, links=3, again=0.3, stale=0.5, removed=0.5, replayed=9, shuffled=True
    )
    people = [each.id for each in tenant.present(Kind.users)]
    for kind in Kind:
        link = f"{ORIGIN}/v1.0/{kind}/delta" + (f"?$select={','.join(select(kind))}" if select else "")
        for _ in range(3):
            last = False
            while not last:
                answer = cloud.answer(Asked("GET", link.removeprefix(ORIGIN), {"authorization": "Bearer x"}))
                assert answer.status == 200
                page = json.loads(answer.body)
                yield from ((kind, item) for item in page["value"])
                last, link = "@odata.deltaLink" in page, page.get("@odata.deltaLink") or page["@odata.nextLink"]
                if select:
                    read_page(answer.body, Collection(kind), select(kind), ORIGIN)
            tenant.remove(people.pop())
            tenant.purge(people.pop())
            tenant.change(people[0], {"mail": None, "displayName": "New"})


@pytest.mark.parametrize("selects", [False, True])
def test_the_stand_ins_objects_are_as_the_schema_says(selects):
    wanted = Wanted(CopySettings(parse(BASE), EVERYTHING, guests=True, hide_from_lists=True))
    seen = {}
    for kind, item in payloads((lambda kind: wanted.select(Collection(kind))) if selects else None):
        assert item_fault(kind, item) is None
        seen.setdefault(kind, set()).update(item)
    assert {"members@delta", "@removed", "mail"} <= seen[Kind.groups] | {"@removed"}
    assert {"manager@delta", "@removed", "businessPhones"} <= seen[Kind.users]


@pytest.mark.parametrize("collection", list(Collection))
def test_our_table_of_properties_is_the_schemas(collection):
    kind = TYPES[Kind(collection)]
    for name, type in PROPERTIES[collection].items():
        assert TABLE[kind, name][0] == type.value
    relation = RELATIONS.get(collection)
    assert relation is None or TABLE[kind, relation][0].startswith("->")


@pytest.mark.parametrize(
    ("kind", "item"),
    [
        (Kind.users, {"id": "x", "odd": 1}),
        (Kind.users, {"id": None}),
        (Kind.users, {"id": "x", "mail": 1}),
        (Kind.users, {"id": "x", "proxyAddresses": None}),
        (Kind.users, {"id": "x", "proxyAddresses": [1]}),
        (Kind.users, {"id": "x", "accountEnabled": "true"}),
        (Kind.users, {"id": "x", "createdDateTime": "today"}),
        (Kind.users, {"id": "x", "onPremisesExtensionAttributes": {"extensionAttribute16": "x"}}),
        (Kind.contacts, {"id": "x", "phones": [{"type": "odd"}]}),
        (Kind.contacts, {"id": "x", "accountEnabled": True}),
        (Kind.users, {"id": "x", "@removed": {"reason": "odd"}}),
        (Kind.users, {"id": "x", "mail": "x", "@removed": {"reason": "changed"}}),
        (Kind.groups, {"id": "x", "members@delta": [{"id": "x"}]}),
    ],
)
def test_what_is_not_as_the_schema_says_is_found(kind, item):
    assert item_fault(kind, item) is not None
