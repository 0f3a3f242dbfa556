"""Records of the audit through the policies of a configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from gateway.config.settings import GatewaySettings
from gateway.net.sessions.settings import ClientSettings
from gateway.policy.decision import Decision
from gateway.policy.policy import Policy
from gateway.policy.settings import ClientPolicy
from gateway.tools.explain.question import NotWellFormed, decide
from gateway.tools.explain.record_question import NotJudged, changes, question_of, was
from gateway.tools.explain.source_client import clients_of_source, refuse_source

# Whose client a source is takes a look at every network of the configuration.
_REMEMBERED_SOURCES: Final = 1000


@dataclass(frozen=True, slots=True)
class JudgedAgain:
    """What this configuration decides of a record's request. client: whose it is by this configuration, None for
    nobody's. changes: what
    is otherwise than in the record, in words; none where nothing is."""

    decision: Decision
    client: ClientPolicy | None
    changes: tuple[str, ...]


class RecordJudge:
    """Judges records again. client: of all of them; None where each record's source, or else its client, tells."""

    def __init__(self, settings: GatewaySettings, client: str | None) -> None:
        self._settings = settings
        self._policies = {each.policy.name: Policy(each.policy) for each in settings.clients}
        self._client = client
        self._clients: dict[str, tuple[ClientSettings, ...]] = {}

    def judge(self, record: dict[str, Any]) -> JudgedAgain:
        """Raises NotJudged."""
        name = self._client or self._client_of(record)
        policy = None if name is None else self._policies[name]
        before = was(record)
        if policy is None:
            refusal = refuse_source(())
            return JudgedAgain(refusal, None, tuple(changes(before, refusal, None)))
        question = question_of(record, policy)
        try:
            decision = decide(policy, self._settings.limits, question)
        except NotWellFormed:
            raise NotJudged("it cannot be written as LDAP") from None
        return JudgedAgain(decision, policy.settings, tuple(changes(before, decision, policy.settings)))

    def _client_of(self, record: dict[str, Any]) -> str | None:
        """None where the source is no client's any more."""
        if record.get("record") not in ("operation", "sign-in"):
            raise NotJudged("no request")
        name, source, link = str(record.get("client")), str(record.get("source")), record.get("link")
        if link is not None:
            # Both ends give a client the same name.
            return next(
                (name for each in self._settings.clients if each.policy.name == name and link in each.links), None
            )
        if source not in self._clients:
            if len(self._clients) >= _REMEMBERED_SOURCES:
                self._clients.clear()
            try:
                self._clients[source] = clients_of_source(self._settings, source)
            except ValueError:
                # The name of a preview's sessions, which have no address.
                self._clients[source] = tuple(each for each in self._settings.clients if each.policy.name == name)
        found = [client.policy.name for client in self._clients[source]]
        if len(found) > 1 and name not in found:
            raise NotJudged("its listener decides whose client its source is")
        return name if name in found else next(iter(found), None)
