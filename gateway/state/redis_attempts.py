"""A store in Redis, which several gateways share.

A thread of its own speaks to the server, since the reactor must never wait; the server gets what the reactor asked and
told in that order. Names of people are not in it: an account is there under a keyed hash of its name.

Redis may lose what it holds. It does so silently where it is flushed, or restarts with an older file, or a replica with
older data takes its place. So a gateway asks only over a connection on which it has told first all that it knows, and
trusts an answer only if the store still has the word that it had then.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import secrets
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count, islice
from queue import Empty, SimpleQueue
from random import uniform
from threading import Event, Thread
from time import monotonic
from typing import Any, Final, Protocol

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import ResponseError
from redis.retry import Retry

from gateway.policy.lockout import GuardedAccount, LockoutSettings
from gateway.state.attempt_store import Answer, Asked, Change, Join, StoreListener
from gateway.state.failures import Failure
from gateway.state.guards import Timer, Timers
from gateway.state.joins import JOINED
from gateway.state.redis_scripts import ASK, CHANGE, COUNT, JOIN, LOOK, PREFIX
from gateway.state.redis_settings import RedisSettings
from gateway.state.redis_trouble import redis_trouble
from gateway.state.shared_attempts import RENEWAL

# Seconds that the server has to answer. Only the sign-ins that are under way when it stops answering wait that long.
PATIENCE: Final = 1.0
# Seconds for which the server holds an attempt whose gateway is not heard of any more.
HOLD: Final = 3 * RENEWAL
# Seconds between two looks whether the server is there and still has what it was told.
LOOK_PAUSE: Final = 5.0
# Seconds between two attempts to connect: the first, and the longest.
FIRST_PAUSE: Final = 0.2
LAST_PAUSE: Final = 15.0
# Seconds without a refusal after which a server that refused a command is said to be back: it goes on to accept
# connections, and refuses the next such command.
SETTLED: Final = 60.0
# Requests that are sent to the server at once.
MOST_AT_ONCE: Final = 200


class Loop(Timers, Protocol):
    """The reactor."""

    def callFromThread(self, callable: Callable[..., object], /) -> None: ...


_Arguments = list[str | int]
_Script = tuple[str, str, _Arguments]


# What ASK returns where it has decided nothing.
_LOST: Final[list[Any]] = [[Answer.lost.value.encode(), [], []]]


@dataclass(slots=True, eq=False)
class _Request:
    """Scripts to run. scripts: each with its key and its arguments. connection: the number of the only connection over
    which they may go, None for any. then: takes what they returned, or None; None itself once it has been called.
    needed: False where the store is of use though it refuses these."""

    scripts: list[_Script]
    connection: int | None
    then: Callable[[list[Any] | None], None] | None
    needed: bool = True
    timer: Timer | None = None


class RedisAttempts:
    """An AttemptStore. changed: is told on the reactor's thread that it is away (why) or back (None), once each time.

    clock: seconds, the same as that of the attempts. look_pause: seconds, as LOOK_PAUSE.
    """

    def __init__(
        self,
        settings: RedisSettings,
        clock: Callable[[], float],
        loop: Loop,
        changed: Callable[[str | None], None],
        look_pause: float = LOOK_PAUSE,
    ) -> None:
        self.away = True
        self._settings = settings
        self._clock = clock
        self._loop = loop
        self._changed = changed
        self._look_pause = look_pause
        self._listener: StoreListener | None = None
        # What was said last of its being away; None: that it is back, "": nothing yet.
        self._said: str | None = ""
        # Of a server that refused a command; until it fires, nobody is told that the server is back.
        self._settling: Timer | None = None
        self._refuses = False
        # The server's clock less ours, in seconds: at least and at most, since the question takes its time. Whatever is
        # told or read is reckoned so that failures last rather too long than too short.
        self._ahead = (0.0, 0.0)
        # The connection on which it has been told everything, by its number, and the word that its data goes by.
        self._connection = 0
        self._word = ""
        self._open: dict[_Request, None] = {}
        self._key = b""
        # For the thread. None: look at once.
        self._requests: SimpleQueue[_Request | None] = SimpleQueue()
        self._doubted = Event()
        self._closing = Event()
        self._worker = Thread(target=self._work, name="lockout store", daemon=True)

    # On the reactor's thread.

    def open(self, listener: StoreListener) -> None:
        self._listener = listener
        self._worker.start()

    def ask(
        self, account: GuardedAccount, attempt: str, settings: LockoutSettings, then: Callable[[Asked | None], None]
    ) -> None:
        word = self._word
        details: _Arguments = [word, attempt, _up(settings.window), settings.failures, _up(HOLD)]
        details += [int(not account.sync), int(settings.expire_together)]

        def answered(returned: list[Any] | None) -> None:
            asked = None if returned is None else self._read(*returned[0])
            if asked is not None and asked.answer is Answer.lost and word == self._word:
                self._look_soon()
            then(asked)

        self._send([self._script(ASK, account, details)], answered, self._connection)

    def tell(self, news: list[Change | Join], then: Callable[[bool], None]) -> None:
        scripts = [self._news(one) for one in news]
        self._send(scripts, lambda returned: then(returned is not None))

    def tag(self, identity: str) -> str | None:
        if not self._key:
            return None
        return hmac.digest(self._key, f"tag\0{identity}".encode("utf-8", "surrogatepass"), "sha256")[:4].hex()

    def count(self, then: Callable[[int | None], None]) -> None:
        # A user of before this version may not run it, and all else goes on.
        script: _Script = (COUNT, f"{PREFIX}failed:*", [])
        self._send([script], lambda returned: then(None if returned is None else int(returned[0])), needed=False)

    def close(self, wait: bool = False) -> None:
        self._listener = None
        self._closing.set()
        self._requests.put(None)
        self._settle_later(None)
        for request in self._open:
            if request.timer is not None:
                request.timer.cancel()
        self._open.clear()
        if wait and self._worker.is_alive():
            self._worker.join(2 * PATIENCE)

    def _news(self, one: Change | Join) -> _Script:
        if isinstance(one, Join):
            return self._script(JOIN, one.alias, [self._id(one.account), round(JOINED * 1000)])
        change: dict[str, Any] = {
            "window": _up(one.window),
            "hold": _up(HOLD),
            "forgiven": one.forgiven,
            "failures": [
                [failure.attempt, self._latest(failure.at), self._earliest(failure.began)] for failure in one.failures
            ],
            "ended": one.ended,
            "under_way": [[under_way.attempt, self._earliest(under_way.began)] for under_way in one.under_way],
        }
        if one.cleared is not None:
            change["cleared"] = self._earliest(one.cleared)
        return self._script(CHANGE, one.account, [json.dumps(change)])

    def _script(self, script: str, account: GuardedAccount, arguments: _Arguments) -> _Script:
        name = self._id(account)
        return script, f"{PREFIX}same:{name}", [PREFIX, name, self._earliest(self._clock()), *arguments]

    def _id(self, account: GuardedAccount) -> str:
        name = f"{account.directory}\0{'sync' if account.sync else 'person'}\0{account.name}"
        # A name that an administrator releases may be any octets.
        return hmac.digest(self._key, name.encode("utf-8", "surrogatepass"), "sha256")[:16].hex()

    def _earliest(self, at: float) -> int:
        """A time of ours on the server's clock, not later than it was."""
        return math.floor((at + self._ahead[0]) * 1e6)

    def _latest(self, at: float) -> int:
        """A time of ours on the server's clock, not earlier than it was."""
        return _up(at + self._ahead[1])

    def _read(self, answer: bytes, told: list[bytes], forgiven: list[bytes]) -> Asked:
        least, most = self._ahead
        failures = [
            Failure(float(at) / 1e6 - least, float(began) / 1e6 - most, attempt.decode())
            for attempt, at, began in zip(told[::3], told[1::3], told[2::3], strict=True)
        ]
        return Asked(Answer(answer.decode()), tuple(failures), frozenset(name.decode() for name in forgiven))

    def _send(
        self,
        scripts: list[_Script],
        then: Callable[[list[Any] | None], None],
        connection: int | None = None,
        needed: bool = True,
    ) -> None:
        request = _Request(scripts, connection, then, needed)
        self._open[request] = None
        request.timer = self._loop.callLater(PATIENCE, self._late)
        self._requests.put(request)

    def _look_soon(self) -> None:
        self._doubted.set()
        self._requests.put(None)

    def _late(self) -> None:
        # The thread may hang in what no time limit of a socket ends, such as the search for a name.
        self._look_soon()
        self._fail(f"no answer within {PATIENCE:g} seconds")

    def _answer(self, request: _Request, returned: list[Any] | None) -> None:
        then, request.then = request.then, None
        if then is None or self._listener is None:
            return
        del self._open[request]
        if request.timer is not None and request.timer.active():
            request.timer.cancel()
        then(returned)

    def _fail(self, trouble: str, refused: bool = False) -> None:
        """refused: it did not do what it was asked, over a connection that is good."""
        if self._listener is None:
            return
        self.away = True
        self._refuses = self._refuses or refused
        self._settle_later(None)
        if not self._said:
            self._said = trouble
            self._changed(trouble)
        for request in list(self._open):
            self._answer(request, None)
        self._listener.store_gone()

    def _looked(self, connection: int, word: str, ahead: tuple[float, float]) -> None:
        if self._listener is None:
            return
        known = (self._connection, self._word) == (connection, word)
        self._connection, self._word, self._ahead = connection, word, ahead
        if self.away:
            self.away = False
            if self._refuses:
                self._settle_later(SETTLED)
            else:
                self._tell_back()
            self._listener.store_ready()
        elif not known:
            self._listener.store_ready()

    def _settle_later(self, seconds: float | None) -> None:
        """None: not any more."""
        timer, self._settling = self._settling, None
        if timer is not None and timer.active():
            timer.cancel()
        if seconds is not None:
            self._settling = self._loop.callLater(seconds, self._tell_back)

    def _tell_back(self) -> None:
        self._refuses = False
        self._said = None
        self._changed(None)

    # On the thread of its own.

    def _work(self) -> None:
        self._key = _name_key(self._settings.password)
        pause = 0.0
        for number in count(1):
            connected = monotonic()
            try:
                with _client(self._settings) as redis:
                    self._serve(redis, number)
                return
            except _Closed:
                # Whoever waits for an answer waits until it is known whether there is another connection at once.
                healthy = FIRST_PAUSE
            except _Refused as error:
                healthy = LAST_PAUSE
                self._loop.callFromThread(partial(self._fail, str(error), refused=True))
            except Exception as error:  # noqa: BLE001 - whatever it is, without this thread nothing is ever shared again
                healthy = LAST_PAUSE
                self._loop.callFromThread(partial(self._fail, redis_trouble(error)))
            if monotonic() - connected > healthy:
                pause = 0.0
            if self._closing.wait(uniform(pause / 2, pause)):
                return
            pause = min(max(2 * pause, FIRST_PAUSE), LAST_PAUSE)

    def _serve(self, redis: Redis, number: int) -> None:
        """Serves one connection until the store is closed. Raises RedisError and OSError; over a connection that was
        good _Closed, where the server has closed it, and _Refused."""
        # The first command takes as long as it takes to connect, and says nothing of the clock.
        redis.eval(LOOK, 1, PREFIX + "word", secrets.token_hex(8))
        self._look(redis, number)
        try:
            self._serve_connected(redis, number)
        except NoConnection as error:
            raise _Closed from error
        except ResponseError as error:
            raise _Refused(redis_trouble(error)) from error

    def _serve_connected(self, redis: Redis, number: int) -> None:
        due = monotonic() + self._look_pause
        while True:
            if self._doubted.is_set() or monotonic() >= due:
                self._doubted.clear()
                self._look(redis, number)
                due = monotonic() + self._look_pause
            requests = self._take(0 if self._closing.is_set() else due - monotonic())
            wanted = [request for request in requests if request is not None and request.then is not None]
            if wanted:
                self._pass_on(redis, wanted, number)
            elif self._closing.is_set():
                return

    def _look(self, redis: Redis, number: int) -> None:
        asked = self._clock()
        word, (seconds, microseconds) = _any(redis.eval(LOOK, 1, PREFIX + "word", secrets.token_hex(8)))
        answered = self._clock()
        theirs = int(seconds) + int(microseconds) / 1e6
        ahead = (theirs - answered, theirs - asked)
        self._loop.callFromThread(partial(self._looked, number, word.decode(), ahead))

    def _take(self, patience: float) -> list[_Request | None]:
        """What there is, or what comes first within so many seconds."""
        taken: list[_Request | None] = []
        try:
            taken.append(self._requests.get(timeout=max(0.0, patience)))
            while len(taken) < MOST_AT_ONCE:
                taken.append(self._requests.get_nowait())
        except Empty:
            pass
        return taken

    def _pass_on(self, redis: Redis, requests: list[_Request], number: int) -> None:
        pipeline = redis.pipeline(transaction=False)
        passed = []
        for request in requests:
            if request.connection not in (None, number):
                self._loop.callFromThread(partial(self._answer, request, _LOST))
                continue
            passed.append(request)
            for script, key, arguments in request.scripts:
                pipeline.eval(script, 1, key, *arguments)
        try:
            # What execute raises by itself has the whole command in its text.
            answers = pipeline.execute(raise_on_error=False)
        except NoConnection:
            for request in passed:
                self._loop.callFromThread(partial(self._answer, request, None if request.connection is None else _LOST))
            raise
        returned = iter(answers)
        found = [(request, list(islice(returned, len(request.scripts)))) for request in passed]
        for request, own in found:
            for answer in own:
                if isinstance(answer, Exception) and request.needed:
                    raise answer
        for request, own in found:
            refused = any(isinstance(answer, Exception) for answer in own)
            self._loop.callFromThread(partial(self._answer, request, None if refused else own))


class _Closed(Exception):
    """The server has closed a connection over which it had answered."""


class _Refused(Exception):
    """The server refuses a command, such as one that its user has no right to; the text is its own."""


def _name_key(password: str) -> bytes:
    """RFC 7914: of names that can be guessed the password must not be found by trying them out."""
    return hashlib.scrypt(password.encode(), salt=PREFIX.encode(), n=2**14, r=8, p=1, dklen=32)


def _client(settings: RedisSettings) -> Redis:
    """One connection, which is opened by the first command."""
    place: dict[str, Any] = (
        {"unix_socket_path": settings.path} if settings.path else {"host": settings.host, "port": settings.port}
    )
    if settings.tls:
        place |= {
            "ssl": True,
            "ssl_ca_certs": None if settings.ca_file is None else str(settings.ca_file),
            "ssl_cert_reqs": "required",
            "ssl_check_hostname": True,
            "ssl_min_version": ssl.TLSVersion.TLSv1_2,
        }
    # redis-py's types say that it is called without the connection.
    place["redis_connect_func"] = _once()
    return Redis(
        **place,
        db=settings.database,
        username=settings.user or None,
        password=settings.password or None,
        socket_timeout=PATIENCE,
        socket_connect_timeout=PATIENCE,
        # A repetition takes time, and happens elsewhere.
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        client_name="ldap-gateway",
    )


def _once() -> Callable[[Any], None]:
    """What redis-py does with a new connection, for a client that shall have one in its life: the client would open
    another one unseen, and at its other end may be a server that has lost something."""
    connected = Event()

    def connect(connection: Any) -> None:
        if connected.is_set():
            raise NoConnection("Connection closed by server.")
        connected.set()
        connection.on_connect()

    return connect


def _any(value: Any) -> Any:
    """redis-py's types say that each answer might be an Awaitable."""
    return value


def _up(seconds: float) -> int:
    """In microseconds, and rather too many."""
    return math.ceil(seconds * 1e6)
