"""Verifies secrets against argon2id hashes, in threads: one takes some hundredths of a second, and the reactor never
waits for it.

A secret that has proved right is remembered, so that a service that signs in again and again costs nothing and does not
wait behind strangers' guesses. What is remembered is a keyed digest, under a key that this process alone has and never
writes down.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from hashlib import blake2b
from hmac import compare_digest
from secrets import token_bytes
from typing import Final

from twisted.logger import Logger

from gateway.net.transport.reactor import Reactor
from gateway.policy.credentials import SecretCheck, SecretVerdict

log = Logger(__name__)

# Verifying has no more than this much of the processors, and of memory that many times what one hash needs.
THREADS: Final = 2
# Secrets that may wait for a thread. At the cost that `hash-password` chooses the last of them waits for a second.
WAITING: Final = 64
# Hashes whose right secret is remembered; the one that was used longest ago goes first.
REMEMBERED: Final = 1000

Answer = Callable[[SecretVerdict], None]


class SecretVerifier:
    """Called on the reactor's thread, as are the answers."""

    def __init__(self, reactor: Reactor, threads: int = THREADS, waiting: int = WAITING) -> None:
        self._reactor = reactor
        self._most = threads + waiting
        self._open = 0
        self._pool = ThreadPoolExecutor(threads, "verify-secret")
        self._key = token_bytes(32)
        self._right: OrderedDict[str, bytes] = OrderedDict()

    def verify(self, check: SecretCheck, answer: Answer) -> SecretVerdict | Callable[[], None]:
        """The verdict, where it is known at once; undecided is one where too many wait already. Else answer is called
        later, once, unless the function that is returned gives the question up."""
        if self._remembers(check):
            return SecretVerdict.right
        if self._open >= self._most:
            return SecretVerdict.undecided
        self._open += 1
        question = _Question(check, answer)
        done = self._pool.submit(fitting_hash, check)
        done.add_done_callback(partial(self._ended, question))

        def give_up() -> None:
            question.answer = None
            # One that no thread has taken yet costs nothing any more.
            done.cancel()

        return give_up

    def stop(self) -> None:
        """What waits is not verified any more, and nothing that comes."""
        self._most = 0
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _ended(self, question: _Question, done: Future[str | None]) -> None:
        """In the thread that verified, or where it was given up."""
        self._reactor.callFromThread(partial(self._decided, question, done))

    def _decided(self, question: _Question, done: Future[str | None]) -> None:
        self._open -= 1
        answer = question.answer
        if done.cancelled():
            verdict = SecretVerdict.undecided
        elif done.exception() is not None:
            # Not enough memory, say. Its text is argon2's own and holds no secret.
            log.error("a secret could not be verified: {error}", error=str(done.exception()))
            verdict = SecretVerdict.undecided
        elif (fitting := done.result()) is None:
            verdict = SecretVerdict.wrong
        else:
            self._remember(fitting, question.check)
            verdict = SecretVerdict.right
        if answer is not None:
            answer(verdict)

    def _remembers(self, check: SecretCheck) -> bool:
        digest = self._digest(check)
        for each in check.hashes:
            if compare_digest(self._right.get(each, b""), digest):
                self._right.move_to_end(each)
                return True
        return False

    def _remember(self, fitting: str, check: SecretCheck) -> None:
        self._right[fitting] = self._digest(check)
        if len(self._right) > REMEMBERED:
            self._right.popitem(last=False)

    def _digest(self, check: SecretCheck) -> bytes:
        return blake2b(check.secret.reveal(), key=self._key, digest_size=32).digest()


class _Question:
    """A secret that waits to be verified. answer: None once nobody waits for it."""

    __slots__ = ("answer", "check")

    def __init__(self, check: SecretCheck, answer: Answer) -> None:
        self.check = check
        self.answer: Answer | None = answer


def fitting_hash(check: SecretCheck) -> str | None:
    """The hash that the secret fits. It takes long; argon2 lets other threads run meanwhile."""
    # Only gateways with mapped accounts need it, and it takes long to import.
    from argon2.exceptions import VerifyMismatchError
    from argon2.low_level import Type, verify_secret

    for each in check.hashes:
        try:
            verify_secret(each.encode(), check.secret.reveal(), Type.ID)
        except VerifyMismatchError:
            continue
        return each
    return None
