"""Responses as octets."""

from dataclasses import dataclass

from tests.servers.windows.ber import ENUMERATED, SEQUENCE, Writer
from tests.servers.windows.requests import PAGED_RESULTS

_RESPONSES = {0x66: 0x67, 0x68: 0x69, 0x4A: 0x6B, 0x6C: 0x6D, 0x6E: 0x6F}
_NOTICE_OF_DISCONNECTION = "1.3.6.1.4.1.1466.20036"


@dataclass(frozen=True)
class Result:
    """text: AD's end in a NUL, and so do these."""

    code: int
    text: str = ""
    matched: str = ""
    referrals: tuple[str, ...] = ()


class Replies:
    def __init__(self, writer: Writer):
        self._writer = writer

    @staticmethod
    def response_tag(request: int) -> int | None:
        """Of modify, add, delete, modifyDN and compare."""
        return _RESPONSES.get(request)

    def entry(self, number: int, encoded_dn: bytes, attributes: bytes) -> bytes:
        writer = self._writer
        return self._message(number, writer.sequence(encoded_dn, writer.element(SEQUENCE, attributes), tag=0x64))

    def undecodable_entry(self, number: int) -> bytes:
        """A message that is well framed, with an entry whose attributes are longer than the entry."""
        writer = self._writer
        return self._message(number, writer.sequence(writer.octets("CN=x"), b"\x30\x7f\x30\x7f", tag=0x64))

    def reference(self, number: int, url: str) -> bytes:
        return self._message(number, self._writer.sequence(self._writer.octets(url), tag=0x73))

    def result(self, number: int, tag: int, result: Result, cookie: bytes | None = None) -> bytes:
        """cookie: for the paged results control of a searchResultDone; empty after the last page."""
        return self._message(number, self._writer.sequence(self._result(result), tag=tag), cookie)

    def extended(self, number: int, result: Result, value: str | None = None, name: str | None = None) -> bytes:
        parts = [self._result(result)]
        if name is not None:
            parts.append(self._writer.octets(name, 0x8A))
        if value is not None:
            parts.append(self._writer.octets(value, 0x8B))
        return self._message(number, self._writer.sequence(*parts, tag=0x78))

    def disconnection(self, result: Result) -> bytes:
        """RFC 4511 4.4.1."""
        return self.extended(0, result, name=_NOTICE_OF_DISCONNECTION)

    def _result(self, result: Result) -> bytes:
        writer = self._writer
        parts = [writer.integer(result.code, ENUMERATED), writer.octets(result.matched), writer.octets(result.text)]
        if result.referrals:
            parts.append(writer.sequence(*map(writer.octets, result.referrals), tag=0xA3))
        return b"".join(parts)

    def _message(self, number: int, operation: bytes, cookie: bytes | None = None) -> bytes:
        writer = self._writer
        parts = [writer.integer(number), operation]
        if cookie is not None:
            # AD never estimates: the size is 0.
            value = writer.sequence(writer.integer(0), writer.octets(cookie))
            control = writer.sequence(writer.octets(PAGED_RESULTS), writer.octets(value))
            parts.append(writer.sequence(control, tag=0xA0))
        return writer.sequence(*parts)
