"""What both ends of a link must have alike of a client, in the one form that equal values have.

A key of the configuration is among it where a request that the outside permits might be refused inside, or be answered
with less, because the inside has another value there. What is strict inside on purpose (`when_denied`, `base_above`,
`mending`, `shrink_guard`, `lockout`) is not, nor what each end has for itself (docs/decisions/0193-link-digests.md).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from gateway.ldap.attribute_types import base_type, canonical_type
from gateway.ldap.dn import DN, key
from gateway.ldap.filter_text import filter_text
from gateway.ldap.filters import And, ExtensibleMatch, Filter, Not, Or
from gateway.policy.bind_name import read_bind_name
from gateway.policy.settings import ClientPolicy
from gateway.relay.settings import SessionLimits

# By the key of the configuration; a set in any order.
Lists: TypeAlias = Mapping[str, tuple[str, ...]]

_HASHES: Final = "credentials"
_ACCOUNTS: Final = "sync_accounts"


@dataclass(frozen=True, slots=True)
class Agreed:
    """What one end has of one client. lists: by the name that the ends have for it. paths: by the same name the key of
    this end's own configuration, like `clients.mimecast.attributes`."""

    lists: Lists
    paths: Mapping[str, str]


def agreed(policy: ClientPolicy, limits: SessionLimits, *, outside: bool) -> Agreed:
    """outside: this is the end that asks for sessions of the client."""
    of_client = dict(_of_client(policy, outside=outside))
    of_limits = {f"limits.{name}": (str(float(value)),) for name, value in _of_limits(limits)}
    paths = {name: f"clients.{policy.name}.{name}" for name in of_client}
    if policy.mapped_accounts:
        paths[_ACCOUNTS] = f"clients.{policy.name}.credentials.accounts"
    return Agreed({**of_client, **of_limits}, {**paths, **{name: name for name in of_limits}})


def _of_client(policy: ClientPolicy, *, outside: bool) -> Iterator[tuple[str, tuple[str, ...]]]:
    yield "base_dns", _names(policy.base_dns)
    yield "excluded_base_dns", _names(policy.excluded_base_dns)
    yield "login_base_dns", _names(policy.login_base_dns)
    yield "login_domains", _lower(policy.login_domains)
    yield _ACCOUNTS, tuple(map(_account, _asks_as(policy) if outside else policy.sync_accounts))
    yield "attributes", _types(policy.attributes)
    yield "filter_attributes", _types(policy.filter_attributes)
    yield "matching_rules", _lower(policy.matching_rules)
    yield "controls", tuple(policy.controls)
    yield "required_filter", () if policy.required_filter is None else (filter_text(_in_order(policy.required_filter)),)
    yield "root_dse", _types(policy.root_dse)
    yield "subschema", () if policy.subschema is None else _names((policy.subschema,))
    yield "referral_hosts", tuple(policy.referral_hosts)
    yield "allow_anonymous", (str(policy.allow_anonymous),)
    yield "mode", (policy.mode.value,)
    for name, most in (
        ("size_limit", policy.size_limit),
        ("time_limit", policy.time_limit),
        ("octet_limit", policy.octet_limit),
    ):
        yield name, (str(most),)
    forwards = any(account.own is None for account in policy.mapped_accounts)
    # An outside that verifies no secret leaves that to the inside. A salt is in each hash, so nothing can be guessed.
    if forwards or not outside:
        yield (
            _HASHES,
            tuple(json.dumps([_account(each.name), *sorted(each.hashes)]) for each in policy.mapped_accounts),
        )


def _of_limits(limits: SessionLimits) -> Iterator[tuple[str, float]]:
    request = limits.request
    yield "message_before_bind", limits.message_before_bind
    yield "message_after_bind", limits.message_after_bind
    yield "response_message", limits.response_message
    yield "unbound", limits.unbound
    yield "idle", limits.idle
    yield "silence", limits.silence
    yield "search", limits.search
    yield "filter_depth", request.filter.depth
    yield "filter_elements", request.filter.elements
    yield "assertion_value", request.filter.value
    yield "attributes", request.attributes
    yield "attribute_length", request.attribute_length
    yield "dn_length", request.dn_length
    yield "password_length", request.password_length
    yield "controls", request.controls


def _asks_as(policy: ClientPolicy) -> Iterator[str]:
    """The names that the inside is asked to bind."""
    if not policy.mapped_accounts:
        yield from policy.sync_accounts
    for account in policy.mapped_accounts:
        yield account.name if account.own is None else account.own.bind_dn


def _account(spelling: str) -> str:
    """Equal for what the policy takes for one spelling."""
    name = read_bind_name(spelling)
    return _name(name) if isinstance(name, DN) else spelling.lower()


def _names(names: Iterable[DN]) -> tuple[str, ...]:
    return tuple(map(_name, names))


def _name(name: DN) -> str:
    """Equal for names that are the same by strict comparison."""
    return json.dumps([sorted(rdn) for rdn in key(name)])


def _types(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(map(canonical_type, names))


def _lower(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(text.lower() for text in texts)


def _in_order(wanted: Filter) -> Filter:
    """Equal for filters that differ in the order of their parts or in how attributes are written."""
    if isinstance(wanted, And):
        return And(_sorted(wanted.filters))
    if isinstance(wanted, Or):
        return Or(_sorted(wanted.filters))
    if isinstance(wanted, Not):
        return Not(_in_order(wanted.filter))
    if isinstance(wanted, ExtensibleMatch):
        rule = None if wanted.rule is None else wanted.rule.lower()
        return replace(wanted, rule=rule, attribute=None if wanted.attribute is None else _type(wanted.attribute))
    return replace(wanted, attribute=_type(wanted.attribute))


def _sorted(filters: Iterable[Filter]) -> tuple[Filter, ...]:
    return tuple(sorted(map(_in_order, filters), key=filter_text))


def _type(description: str) -> str:
    """With its options, which RFC 4512 2.5 takes in any case and order."""
    options = sorted(option.lower() for option in description.split(";")[1:])
    return ";".join([base_type(description) or description, *options])
