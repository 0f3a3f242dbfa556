"""Compiles what every request passes with mypyc where that can be done; the same source runs uncompiled.

LDAP_GATEWAY_COMPILE: 1 compiles or fails, 0 does not compile. Unset: compiled where a compiler is, except in
editable installs, where a built module would shadow later edits of its source.
"""

import os
import sys
from pathlib import Path

from setuptools import Extension, setup

WANTED = os.environ.get("LDAP_GATEWAY_COMPILE", "")
ROOMS = ("ldap", "policy", "relay")
UNCOMPILED = ("gateway/relay/client.py",)
# Of other rooms what every session passes.
MODULES = (
    "gateway/net/admission.py",
    "gateway/net/choosing.py",
    "gateway/net/client_connection.py",
    "gateway/net/connecting.py",
    "gateway/net/connector.py",
    "gateway/net/flow.py",
    "gateway/net/listener.py",
    "gateway/net/listening.py",
    "gateway/net/rates.py",
    "gateway/net/reading.py",
    "gateway/net/resumption.py",
    "gateway/net/server_link.py",
    "gateway/net/sources.py",
    "gateway/net/stream.py",
    "gateway/net/timers.py",
    "gateway/net/tls_layer.py",
    "gateway/net/waiting.py",
    "gateway/observe/audit.py",
    "gateway/observe/audit_line.py",
    "gateway/observe/audit_log.py",
    "gateway/observe/counts.py",
    "gateway/observe/histogram.py",
    "gateway/observe/ledger.py",
    "gateway/observe/moment.py",
    "gateway/observe/record_line.py",
    "gateway/observe/sync_runs.py",
    "gateway/state/attempts.py",
    "gateway/state/counted_account.py",
    "gateway/state/counted_accounts.py",
    "gateway/state/failures.py",
    "gateway/state/joins.py",
    "gateway/state/shared_attempts.py",
)
# Where it is built for others, the packages that it stands on are not there yet, and their types unknown: so wherever
# it is built, lest one build do what another does not. A base class of an unknown type makes a broken class of a
# compiled one (tests/test_compiled_rooms.py). What is not compiled is no matter of the build.
_MYPY = ("--config-file=", "--no-site-packages", "--ignore-missing-imports", "--follow-imports=silent")
EDITABLE = any(word in ("develop", "editable_wheel", "dist_info", "egg_info") for word in sys.argv)


def extensions() -> list[Extension]:
    if WANTED == "0" or (EDITABLE and WANTED != "1"):
        return []
    try:
        from mypyc.build import mypycify
    except ImportError:
        if WANTED == "1":
            raise
        return []
    rooms = (path for room in ROOMS for path in Path("gateway", room).glob("*.py") if path.name != "__init__.py")
    sources = sorted({*map(str, rooms), *MODULES} - set(UNCOMPILED))
    found = mypycify([*_MYPY, *sources], strip_asserts=False)
    for extension in found:
        extension.optional = WANTED != "1"
    return found


setup(ext_modules=extensions())
