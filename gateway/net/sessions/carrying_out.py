"""What a session asks for is carried out at its two connections, in order."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from gateway.net.sessions.answering import SessionAnswers
from gateway.net.sessions.client_side import ClientSide
from gateway.net.sessions.server_side import ServerSide
from gateway.net.sessions.work import Work
from gateway.relay.audit import AuditRecord
from gateway.relay.commands import (
    Audit,
    CloseClient,
    CloseServer,
    Command,
    ConnectServer,
    PoseQuestion,
    SendToClient,
    SendToServer,
    StartTls,
)
from gateway.relay.questions import Notice, Reply
from gateway.relay.session import Session


class CommandRunner:
    """Carries out the commands of one session.

    audit: takes its records. replied: takes the reply to a question that comes later than at once.
    """

    def __init__(
        self,
        client: ClientSide,
        server: ServerSide,
        answers: SessionAnswers,
        work: Work,
        audit: Callable[[AuditRecord], None],
        replied: Callable[[int, Reply], None],
    ) -> None:
        self._client = client
        self._server = server
        self._answers = answers
        self._work = work
        self._audit = audit
        self._replied = replied

    def run(self, session: Session, commands: list[Command]) -> None:
        """Carries out what an event was followed by. commands: by the end they have also what follows from replies that
        come at once, behind what was to be done before."""
        # Each peer gets what an event has for it in one piece, but before any command that may do more than it says.
        to_client: list[bytes] = []
        to_server: list[bytes] = []
        records: list[AuditRecord] = []
        done = 0
        while done < len(commands):
            command = commands[done]
            done += 1
            if isinstance(command, SendToClient):
                to_client.append(command.data)
                continue
            if isinstance(command, SendToServer):
                to_server.append(command.data)
                continue
            if isinstance(command, Audit):
                records.append(command.record)
                continue
            if isinstance(command, PoseQuestion):
                question = command.question
                if question.quiet:
                    commands.extend(session.answered(command.key, self._answers.reply(question), monotonic()))
                else:
                    # The lockout guard may let other sessions go on before it returns.
                    self._pass_on(to_client, to_server, records)
                    commands.extend(self._pose(session, command))
                continue
            if isinstance(command, Notice) and command.quiet:
                self._answers.tell(command)
                continue
            self._pass_on(to_client, to_server, records)
            if isinstance(command, ConnectServer):
                self._server.connect(command)
            elif isinstance(command, CloseServer):
                self._server.close()
            elif isinstance(command, StartTls):
                self._client.await_handshake()
                self._client.begin_tls()
            elif isinstance(command, CloseClient):
                self._client.close()
            else:
                self._answers.tell(command)
        self._pass_on(to_client, to_server, records)

    def _pass_on(self, to_client: list[bytes], to_server: list[bytes], records: list[AuditRecord]) -> None:
        """Octets go first: somebody waits for them."""
        if to_server:
            self._server.write(b"".join(to_server))
            to_server.clear()
        if to_client:
            self._client.write(b"".join(to_client))
            to_client.clear()
        for record in records:
            record.own_seconds = self._work.taken()
            self._audit(record)
        records.clear()

    def _pose(self, session: Session, posed: PoseQuestion) -> list[Command]:
        """What follows where the reply comes at once. It is for the caller to carry out: a client may send hundreds of
        binds in one piece, each of which is refused at once and makes room for the next one."""
        # None behind this call: what waits for a reply, at the lockout guard say, keeps no session that has ended.
        asking: Session | None = session
        at_once = list[Command]()

        def answered(reply: Reply) -> None:
            if asking is not None:
                at_once.extend(asking.answered(posed.key, reply, monotonic()))
            else:
                self._replied(posed.key, reply)

        self._answers.pose(posed.question, answered)
        asking = None
        return at_once
