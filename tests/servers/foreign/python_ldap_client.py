"""The client of tests/servers/foreign_program.py that is made with python-ldap, and thus with OpenLDAP's libldap."""

from collections.abc import Callable
from typing import Any

import ldap
from foreign_commands import Answer, Command, entry, number, serve
from ldap.controls import RequestControl, SimplePagedResultsControl


class Client:
    """One connection."""

    connection: Any

    def open(self, command: Command) -> Answer:
        self.connection = ldap.initialize(command["url"][0])
        self.connection.set_option(ldap.OPT_X_TLS_CACERTFILE, command["ca"][0])
        self.connection.set_option(ldap.OPT_X_TLS_REQUIRE_CERT, ldap.OPT_X_TLS_DEMAND)
        self.connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
        # It would ask the servers of references, without a name.
        self.connection.set_option(ldap.OPT_REFERRALS, 0)
        return _ended(self.connection.start_tls_s if "starttls" in command else lambda: None)

    def bind(self, command: Command) -> Answer:
        return _ended(lambda: self.connection.simple_bind_s(command["name"][0], command["password"][0]))

    def search(self, command: Command) -> Answer:
        entries: list[Answer] = []
        references: list[str] = []

        def read(controls: list[RequestControl]) -> Any:
            """The controls of the result; what came before an error is kept."""
            message = self._begin(command, command["filter"][0], controls)
            while True:
                kind, found, _, answered = self.connection.result3(message, all=0, timeout=60)
                for dn, what in found:
                    if dn is None:
                        references.extend(what)
                    else:
                        entries.append(entry(dn, what))
                if kind == ldap.RES_SEARCH_RESULT:
                    return answered

        def all_pages() -> None:
            controls = []
            if "control" in command:
                controls.append(RequestControl(command["control"][0], "critical" in command, None))
            if "page" not in command:
                read(controls)
                return
            page = SimplePagedResultsControl(True, size=int(command["page"][0]), cookie="")
            while True:
                for answered in read([*controls, page]):
                    if isinstance(answered, SimplePagedResultsControl):
                        page.cookie = answered.cookie
                if not page.cookie:
                    return

        return {**_ended(all_pages), "entries": entries, "references": references}

    def searches(self, command: Command) -> Answer:
        running = [self._begin(command, each) for each in command["filter"]]
        results = []
        for message in running:
            names: list[str] = []

            def read(message: int = message, names: list[str] = names) -> None:
                names += [dn for dn, _ in self.connection.result(message, timeout=60)[1]]

            results.append({**_ended(read), "names": names})
        return {"results": results}

    def abandon(self, command: Command) -> Answer:
        return _ended(lambda: self.connection.abandon_ext(self._begin(command, command["filter"][0])))

    def delete(self, command: Command) -> Answer:
        return _ended(lambda: self.connection.delete_s(command["dn"][0]))

    def unbind(self, command: Command) -> Answer:
        return _ended(lambda: self.connection.unbind_s())

    def _begin(self, command: Command, wanted: str, controls: list[RequestControl] | None = None) -> int:
        self.connection.set_option(ldap.OPT_DEREF, number(command, "deref", ldap.DEREF_NEVER))
        message: int = self.connection.search_ext(
            command["base"][0],
            number(command, "scope", ldap.SCOPE_SUBTREE),
            wanted,
            command.get("attribute"),
            int("types" in command),
            controls,
            timeout=number(command, "time", -1),
            sizelimit=number(command, "size", 0),
        )
        return message


def _ended(step: Callable[[], object]) -> Answer:
    try:
        step()
    except ldap.LDAPError as error:
        told = error.args[0]
        # Those from 80 on, and the negative ones, are libldap's own.
        if 0 < told.get("result", -1) < 80:
            return {"code": told["result"], "message": told.get("info", "")}
        return {"error": str(told)}
    return {"code": 0, "message": ""}


if __name__ == "__main__":
    client = Client()
    names = ("open", "bind", "search", "searches", "abandon", "delete", "unbind")
    serve({name: getattr(client, name) for name in names})
