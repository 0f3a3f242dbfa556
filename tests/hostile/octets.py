"""BER as tests of hostile input write it: right by default, wrong wherever a case says so.

It shares nothing with the gateway's own codec, so that both cannot be wrong in the same way.
"""

BASE = "OU=Staff,DC=corp,DC=example"
SYNC = "svc-sync@corp.example"
PASSWORD = "Hostile-Passw0rd-3f9c"

PAGED = "1.2.840.113556.1.4.319"
START_TLS = "1.3.6.1.4.1.1466.20037"
NOTICE = "1.3.6.1.4.1.1466.20036"


def length(size, octets=0):
    """octets: of the long form; 0 for the shortest form."""
    if not octets and size < 0x80:
        return bytes((size,))
    octets = octets or (size.bit_length() + 7) // 8
    return bytes((0x80 | octets,)) + size.to_bytes(octets, "big")


def tlv(tag, *contents, announced=None):
    """announced: the octets that stand in place of the true length."""
    joined = b"".join(contents)
    return bytes((tag,)) + (length(len(joined)) if announced is None else announced) + joined


def integer(value, tag=0x02):
    size = 1
    while not -(1 << 8 * size - 1) <= value < 1 << 8 * size - 1:
        size += 1
    return tlv(tag, value.to_bytes(size, "big", signed=True))


def enumerated(value):
    return integer(value, 0x0A)


def boolean(value):
    return tlv(0x01, b"\xff" if value else b"\0")


def text(value, tag=0x04):
    return tlv(tag, value if isinstance(value, bytes) else value.encode())


def sequence(*parts):
    return tlv(0x30, *parts)


def control(oid, critical=None, value=None):
    """critical: None where the field is left out."""
    parts = [text(oid)]
    if critical is not None:
        parts.append(boolean(critical))
    if value is not None:
        parts.append(text(value))
    return sequence(*parts)


def page(size, cookie=b"", critical=True):
    return control(PAGED, critical, sequence(integer(size), text(cookie)))


def message(operation, *controls, id=7):
    rest = [tlv(0xA0, *controls)] if controls else []
    return sequence(integer(id), operation, *rest)


def present(attribute="objectClass"):
    return text(attribute, 0x87)


def equal(attribute, value):
    return tlv(0xA3, text(attribute), text(value))


def substrings(attribute, *parts):
    return tlv(0xA4, text(attribute), sequence(*parts))


def all_of(*filters):
    return tlv(0xA0, *filters)


def any_of(*filters):
    return tlv(0xA1, *filters)


def negated(filter_):
    return tlv(0xA2, filter_)


def nested(tag, depth, inner):
    """One filter inside another, depth times; without building each layer of a deep one anew."""
    headers, size = [], len(inner)
    for _ in range(depth):
        headers.append(bytes((tag,)) + length(size))
        size += len(headers[-1])
    return b"".join(reversed(headers)) + inner


def search_contents(base=BASE, filter_=None, attributes=("mail",), **changed):
    """The fields in their order; changed: the octets of one of scope, deref, size, time, types."""
    fields = {
        "base": text(base),
        "scope": enumerated(2),
        "deref": enumerated(0),
        "size": integer(0),
        "time": integer(0),
        "types": boolean(False),
        "filter": present() if filter_ is None else filter_,
        "attributes": sequence(*map(text, attributes)),
    }
    return [changed.get(name, octets) for name, octets in fields.items()]


def search(*controls, id=7, **fields):
    return message(tlv(0x63, *search_contents(**fields)), *controls, id=id)


def bind(name=SYNC, password=PASSWORD, id=7, version=3):
    return message(tlv(0x60, integer(version), text(name), text(password, 0x80)), id=id)


def unbind(id=9):
    return message(tlv(0x42), id=id)


def abandon(of, id=9):
    return message(integer(of, 0x50), id=id)


def extended(oid, value=None, id=7):
    return message(tlv(0x77, text(oid, 0x80), *([] if value is None else [text(value, 0x81)])), id=id)


def result(tag, code=0, matched=b"", diagnostic=b"", *more, id=7, controls=()):
    return message(tlv(tag, enumerated(code), text(matched), text(diagnostic), *more), *controls, id=id)


def attribute(name, *values):
    return sequence(text(name), tlv(0x31, *map(text, values)))


def entry(dn, *attributes, id=7, controls=()):
    return message(tlv(0x64, text(dn), sequence(*attributes)), *controls, id=id)


def done(code=0, id=7, controls=()):
    return result(0x65, code, id=id, controls=controls)
