"""One client's policy, ready to decide: compiled once per configuration load, shared by its sessions."""

from __future__ import annotations

from gateway.ldap.entries import EntryFilter
from gateway.policy.bind import BindJudge
from gateway.policy.entry import EntryJudge
from gateway.policy.search import SearchJudge
from gateway.policy.settings import ClientPolicy
from gateway.policy.shrink import Shapes


class Policy:
    """The doors through which everything of a session goes: bind, search, controls, and entries on the way back."""

    __slots__ = ("bind", "controls", "entries", "entry_filter", "search", "settings", "shapes")

    def __init__(self, settings: ClientPolicy) -> None:
        self.settings = settings
        self.bind = BindJudge(settings)
        self.search = SearchJudge(settings)
        self.controls = self.search.controls
        self.shapes = Shapes(settings.name)
        self.entries = EntryJudge(settings)
        self.entry_filter = EntryFilter(
            self.entries.attribute_number,
            self.entries.permits_dn,
            self.entries.permits_below,
        )
