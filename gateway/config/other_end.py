"""What the gateway at the other end of a link needs of one client, as a file that somebody completes there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from gateway.config import models
from gateway.config.settings import GatewaySettings
from gateway.config.yaml_text import block, quoted
from gateway.link.agreed import agreed
from gateway.policy.credentials import MappedAccount
from gateway.policy.settings import ClientPolicy

# The keys of a client that each end has for itself, or that are written below in another way.
_OF_ONE_END: Final = frozenset(
    {"links", "sources", "sources_file", "listeners", "required_certificate", "directory", "sync_accounts"}
    | {"credentials", "mode", "pass_diagnostics"}
)
# Those whose defaults an inside has on purpose, whatever the outside has.
_STRICT: Final = frozenset({"mending", "when_denied", "base_above", "shrink_guard"})
# What both ends have of a directory.
_SHARED: Final = ("naming_contexts", "paging", "page_size")
# Of a directory that is reached directly: what an inside has otherwise, and files of this host.
_NOT_INSIDE: Final = frozenset({"connect_patience", "ca_file", "client_certificate", "health"})


class NoOtherEnd(ValueError):
    """The text says why there is nothing to be written for the other end."""


def other_end(file: models.File, settings: GatewaySettings, client: str, link: str) -> str:
    """The file for the inside where this client comes from sources, and for the outside where it comes over a link.

    file: in which client is. link: the name of the link there. No password is in it, and no path of this host. Raises
    NoOtherEnd.
    """
    policy = next(each.policy for each in settings.clients if each.policy.name == client)
    for_inside = not file.clients[client].links
    directory = file.clients[client].directory
    if for_inside and file.directories[directory].entra is not None:
        raise NoOtherEnd(
            f"clients.{client}: directory {directory} is the copy of a tenant, which is served on this very host; "
            "it has no servers inside that a link could lead to"
        )
    end = _Inside(file, policy, link) if for_inside else _Outside(file, policy, link)
    limits = agreed(policy, settings.limits, outside=for_inside).lists
    return "\n".join([*end.lines(), *_limits(file.limits, limits.keys())]) + "\n"


class _OtherEnd:
    """What is the same for both ends. link: its name there."""

    def __init__(self, file: models.File, policy: ClientPolicy, link: str) -> None:
        self._client = file.clients[policy.name]
        self._directory = file.directories[self._client.directory]
        self._policy = policy
        self._link = link

    def lines(self) -> Iterator[str]:
        yield self._heading()
        yield "# - complete what is marked TODO"
        yield "# - `ldap-gateway check` says what is missing; docs/link.md has the steps"
        yield "# - leave the rest as it is: both ends say in their logs and on their pages in which keys they differ"
        yield from self._links()
        yield "directories:"
        yield f"  {quoted(self._client.directory)}:"
        yield from self._of_directory()
        yield "clients:"
        yield f"  {quoted(self._policy.name)}:"
        yield from self._whence()
        yield from block("directory", self._client.directory, "    ")
        yield from self._accounts()
        for key, value in _written(self._client).items():
            if key in _OF_ONE_END or key in _STRICT:
                continue
            if key == "lockout":
                value.pop("per_source", None)
            if value != {}:
                yield from block(key, value, "    ")

    def _heading(self) -> str:
        raise NotImplementedError

    def _links(self) -> Iterator[str]:
        raise NotImplementedError

    def _of_directory(self) -> Iterator[str]:
        raise NotImplementedError

    def _whence(self) -> Iterator[str]:
        raise NotImplementedError

    def _accounts(self) -> Iterator[str]:
        raise NotImplementedError

    def _shared(self) -> Iterator[str]:
        written = _written(self._directory)
        for key in _SHARED:
            if key in written:
                yield from block(key, written[key], "    ")

    def _credentials(self, below: Callable[[MappedAccount], Iterable[str]]) -> Iterator[str]:
        """below: lines under an account."""
        yield "    credentials:"
        yield "      mode: mapped"
        yield "      accounts:"
        for account in self._policy.mapped_accounts:
            yield f"        {quoted(account.name)}:"
            yield "          hashes:"
            yield from (f"            - {quoted(each)}" for each in account.hashes)
            yield from (f"          {line}" for line in below(account))


class _Inside(_OtherEnd):
    def _heading(self) -> str:
        return f"# The gateway inside, for client {self._policy.name}, as the gateway outside has it."

    def _links(self) -> Iterator[str]:
        yield "links:"
        yield f"  {quoted(self._link)}:"
        yield "    # TODO: the name or address by which the outside is reached from here, and its certificate."
        yield '    # call: ["gateway.example.net:8636"]'
        yield '    # hosts: {"gateway.example.net:8636": link/outside.pem}'
        yield "    # TODO: this end's own pair; `ldap-gateway link key` makes one."
        yield "    # identity: {certificate: link/inside-1.pem, private_key: link/inside-1.key}"

    def _of_directory(self) -> Iterator[str]:
        if self._directory.link is None:
            for key, value in _written(self._directory).items():
                if key not in _NOT_INSIDE:
                    yield from block(key, value, "    ")
        else:
            yield "    # TODO: the servers, by one of these two."
            yield '    # servers: ["ldaps://dc1.corp.example", "ldaps://dc2.corp.example"]'
            yield "    # discover: corp.example"
            yield from self._shared()
        if self._directory.ca_file == "system":
            yield "    ca_file: system"
        else:
            yield "    # TODO: the authority of the servers' certificates."
            yield "    # ca_file: certs/corp-ca.pem"
        if self._directory.client_certificate is not None:
            yield "    # TODO: the certificate that the servers ask for."
            yield "    # client_certificate: {certificate: certs/ldap-client.pem, private_key: certs/ldap-client.key}"

    def _whence(self) -> Iterator[str]:
        yield f"    links: [{quoted(self._link)}]"
        yield "    # A client with `links` is strict by default: mending off, when_denied refuse, base_above entry,"
        yield "    # shrink_guard off. What this end put right or left out without a word would look whole outside."
        if self._client.mode == "report":
            yield "    # The outside has `mode: report`. What it only reports is refused here."

    def _accounts(self) -> Iterator[str]:
        mapped = self._policy.mapped_accounts
        own = [account.own for account in mapped]
        # Of a directory that is reached directly the mapping moves inside, too.
        if mapped and (self._directory.link is None or not any(own)):
            yield from self._credentials(_mapping)
        elif mapped and all(own):
            yield "    # The outside maps its accounts, and signs in with this one. With hashes alone outside, and the"
            yield "    # mapping here, no password of the directory is in the DMZ."
            yield from block("sync_accounts", [each.bind_dn for each in own if each is not None], "    ")
        elif mapped:
            raise NoOtherEnd(
                f"clients.{self._policy.name}.credentials.accounts: some have bind_dn and password_file, and some have "
                "not; take both out of all of them, so that the gateway inside does the mapping"
            )
        elif self._client.sync_accounts:
            yield from block("sync_accounts", self._client.sync_accounts, "    ")


class _Outside(_OtherEnd):
    def _heading(self) -> str:
        return f"# The gateway outside, for client {self._policy.name}, as the gateway inside has it."

    def _links(self) -> Iterator[str]:
        yield "# TODO: where the service connects."
        yield "# listeners:"
        yield '#   - {address: "0.0.0.0:636", certificate: certs/gateway.pem, private_key: certs/gateway.key}'
        yield "links:"
        yield f"  {quoted(self._link)}:"
        yield "    # TODO: where the inside calls, from which addresses, and its certificate."
        yield "    # address: 0.0.0.0:8636"
        yield "    # sources: [192.0.2.10]"
        yield "    # agents: {inside-1: link/inside-1.pem}"
        yield "    # TODO: this end's own pair; `ldap-gateway link key` makes one."
        yield "    # identity: {certificate: link/outside.pem, private_key: link/outside.key}"

    def _of_directory(self) -> Iterator[str]:
        yield from block("link", self._link, "    ")
        yield from self._shared()

    def _whence(self) -> Iterator[str]:
        yield "    # TODO: the addresses that the service connects from."
        yield "    # sources: [198.51.100.0/24]"

    def _accounts(self) -> Iterator[str]:
        if self._policy.mapped_accounts:
            yield from self._credentials(lambda account: ())
        elif self._client.sync_accounts:
            yield from block("sync_accounts", self._client.sync_accounts, "    ")


def _limits(limits: models.Limits, compared: Iterable[str]) -> Iterator[str]:
    """Those that are written and that both ends must have alike. compared: as `limits.idle`."""
    written = {key: value for key, value in _written(limits).items() if f"limits.{key}" in compared}
    if written:
        yield from block("limits", written, "")


def _mapping(account: MappedAccount) -> Iterator[str]:
    if account.own is None:
        yield "# TODO: the account of the directory as which this gateway signs in."
        yield '# bind_dn: "CN=svc-sync,OU=Service Accounts,DC=corp,DC=example"'
    else:
        yield f"bind_dn: {quoted(account.own.bind_dn)}"
    yield "# TODO: the file with the password of bind_dn."
    yield "# password_file: svc-sync.password"


def _written(model: models.Model) -> dict[str, Any]:
    """What the file has of it, as YAML has values; in the order of the model."""
    found: dict[str, Any] = model.model_dump(mode="json", exclude_unset=True)
    return {key: value for key, value in found.items() if value is not None}
