"""The client of tests/servers/foreign_program.py that is made with ldap3."""

import ssl
from typing import Any, Literal

import ldap3
from foreign_commands import Answer, Command, entry, number, serve
from ldap3.core.exceptions import LDAPExceptionError

SCOPES = (ldap3.BASE, ldap3.LEVEL, ldap3.SUBTREE)
ALIASES = (ldap3.DEREF_NEVER, ldap3.DEREF_SEARCH, ldap3.DEREF_BASE, ldap3.DEREF_ALWAYS)


class Client:
    """One connection, and the server's root DSE, which ldap3 reads by itself. Where several searches run at once there
    is another connection, because ldap3 waits for each answer otherwise."""

    opened: Command
    bound: Command
    # Any: some of its methods have no types.
    connection: Any

    def open(self, command: Command) -> Answer:
        self.opened = command
        try:
            self.connection = self._connection(ldap3.SYNC)
        except LDAPExceptionError as error:
            return {"error": str(error)}
        return {"code": 0, "message": ""}

    def bind(self, command: Command) -> Answer:
        self.bound = command
        self.connection.user, self.connection.password = command["name"][0], command["password"][0]
        self.connection.authentication = ldap3.SIMPLE
        try:
            self.connection.bind()
        except LDAPExceptionError as error:
            return {"error": str(error)}
        return self._ended()

    def search(self, command: Command) -> Answer:
        entries, references, cookie = [], [], None
        try:
            while True:
                self._begin(self.connection, command, command["filter"][0], cookie)
                for each in self.connection.response or ():
                    if each["type"] == "searchResRef":
                        references += each["uri"]
                    else:
                        entries.append(entry(each["raw_dn"].decode(), each["raw_attributes"]))
                paging = self.connection.result.get("controls", {}).get("1.2.840.113556.1.4.319")
                cookie = paging and paging["value"]["cookie"]
                if not cookie:
                    return {**self._ended(), "entries": entries, "references": references}
        except LDAPExceptionError as error:
            return {"error": str(error)}

    def searches(self, command: Command) -> Answer:
        connection = self._second()
        running = [self._begin(connection, command, each) for each in command["filter"]]
        answers = [connection.get_response(message, 60) for message in running]
        connection.unbind()
        return {
            "results": [
                {"code": result["result"], "names": [each["dn"] for each in found]} for found, result in answers
            ]
        }

    def abandon(self, command: Command) -> Answer:
        connection = self._second()
        connection.abandon(self._begin(connection, command, command["filter"][0]))
        connection.unbind()
        return {"code": 0, "message": ""}

    def delete(self, command: Command) -> Answer:
        self.connection.delete(command["dn"][0])
        return self._ended()

    def unbind(self, command: Command) -> Answer:
        self.connection.unbind()
        return {"code": 0, "message": ""}

    def _connection(self, strategy: Literal["SYNC", "ASYNC"]) -> Any:
        # With Python 3.12 and later ldap3 finds no IP address in a certificate, so it looks for the name beside it.
        tls = ldap3.Tls(ca_certs_file=self.opened["ca"][0], validate=ssl.CERT_REQUIRED, valid_names=["localhost"])
        server = ldap3.Server(self.opened["url"][0], tls=tls, get_info=ldap3.ALL)
        connection = ldap3.Connection(server, client_strategy=strategy, receive_timeout=60)
        connection.open()
        if "starttls" in self.opened:
            connection.start_tls()
        return connection

    def _second(self) -> Any:
        connection = self._connection(ldap3.ASYNC)
        connection.user, connection.password = self.bound["name"][0], self.bound["password"][0]
        connection.authentication = ldap3.SIMPLE
        connection.bind()
        return connection

    def _begin(self, connection: Any, command: Command, wanted: str, cookie: bytes | None = None) -> int:
        controls = [(command["control"][0], "critical" in command, None)] if "control" in command else None
        message: int = connection.search(
            command["base"][0],
            wanted,
            SCOPES[number(command, "scope", 2)],
            ALIASES[number(command, "deref", 3)],
            # Without a list ldap3 asks for no attributes.
            command.get("attribute", ldap3.ALL_ATTRIBUTES),
            size_limit=number(command, "size", 0),
            time_limit=number(command, "time", 0),
            types_only="types" in command,
            controls=controls,
            paged_size=number(command, "page", 0) or None,
            paged_criticality=True,
            paged_cookie=cookie,
        )
        return message

    def _ended(self) -> Answer:
        return {"code": self.connection.result["result"], "message": self.connection.result["message"]}


if __name__ == "__main__":
    client = Client()
    names = ("open", "bind", "search", "searches", "abandon", "delete", "unbind")
    serve({name: getattr(client, name) for name in names})
