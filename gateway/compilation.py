"""The list of the modules that mypyc compiles, and the look at whether this installation has all of them compiled.

`setup.py` compiles what is listed here, and a running gateway judges itself by the same list, so that the two cannot
differ. mypyc makes one shared library of all listed modules, and beside each source a small extension module that
leads into that library. The library's name carries a digest of the sources that it was made of. So an extension
that was left over from another build, or a source that somebody has changed since, shows.

This module imports nothing of the gateway but gateway/host, which stands on the standard library alone: `setup.py`
loads both before anything is installed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Final

from gateway.host.system_errors import system_error

# Rooms of which every module is compiled.
_ROOMS: Final = ("ldap", "policy", "relay")
# Of other rooms what every session passes.
_MODULES: Final = (
    "link/taken.py",
    "net/listeners/listener.py",
    "net/listeners/listening.py",
    "net/servers/attempts.py",
    "net/servers/candidates.py",
    "net/servers/choosing.py",
    "net/servers/connecting.py",
    "net/servers/connector.py",
    "net/servers/ldaps.py",
    "net/servers/server_link.py",
    "net/servers/standings.py",
    "net/servers/way.py",
    "net/sessions/admission.py",
    "net/sessions/answering.py",
    "net/sessions/back_pressure.py",
    "net/sessions/carrying_out.py",
    "net/sessions/client_side.py",
    "net/sessions/driver.py",
    "net/sessions/place_told.py",
    "net/sessions/places.py",
    "net/sessions/rates.py",
    "net/sessions/server_side.py",
    "net/sessions/sources.py",
    "net/sessions/turns.py",
    "net/sessions/work.py",
    "net/transport/deadline.py",
    "net/transport/flow.py",
    "net/transport/reading.py",
    "net/transport/resumption.py",
    "net/transport/stream.py",
    "net/transport/timers.py",
    "net/transport/tls_layer.py",
    "net/transport/unsent.py",
    "observe/audit/fields.py",
    "observe/audit/line.py",
    "observe/audit/log.py",
    "observe/audit/record_line.py",
    "observe/audit/records.py",
    "observe/counts.py",
    "observe/histogram.py",
    "observe/ledger.py",
    "observe/moment.py",
    "observe/refused_today.py",
    "observe/sign_ins.py",
    "observe/sync_runs.py",
    "state/attempts.py",
    "state/counted_account.py",
    "state/counted_accounts.py",
    "state/failures.py",
    "state/joins.py",
    "state/shared_attempts.py",
)

# `bench/run compare` has the figure: 20,774 entries a second where compiled code reads 60,921 (bench/README.md).
_SLOWER: Final = "a third of the speed, see README"


@dataclass(frozen=True, slots=True)
class Compilation:
    """The state of an installation: whether every listed module runs compiled.

    said: the same in words, which continue "this installation is"; either "compiled", or "not compiled: " and why.
    """

    compiled: bool
    said: str


@cache
def compilation() -> Compilation:
    """The state of the installation that this process runs, as it was when somebody first asked."""
    return examine(Path(__file__).parent)


def compiled_sources(package: Path) -> list[Path]:
    """The sources of the modules that mypyc compiles. package: the directory `gateway`."""
    rooms = {source for room in _ROOMS for source in package.joinpath(room).glob("*.py")}
    return sorted({source for source in rooms if source.name != "__init__.py"} | {package / m for m in _MODULES})


def library_name(package: Path) -> str:
    """The name that mypyc's shared library of these sources has, without the `__mypyc` that mypyc adds. Raises OSError
    where a source cannot be read."""
    digest = hashlib.sha256()
    for source in compiled_sources(package):
        octets = source.read_bytes()
        digest.update(f"{source.relative_to(package).as_posix()} {len(octets)}\n".encode() + octets)
    return f"ldap_gateway_{digest.hexdigest()[:16]}"


def examine(package: Path) -> Compilation:
    """The state of an installation, by its files. package: its directory `gateway`."""
    sources = compiled_sources(package)
    extensions = _extensions(package)
    interpreted = [source for source in sources if source not in extensions]
    left_over = sorted(source for source in extensions.keys() - set(sources) if source.exists())
    if left_over:
        return _not_compiled(f"{_name(left_over[0], package)} runs from a file that another build left there")
    if len(interpreted) == len(sources):
        return Compilation(False, f"not compiled: {_SLOWER}")
    if interpreted:
        count = f"{len(interpreted)} of {len(sources)} modules"
        return _not_compiled(f"{count} run as plain Python, {_name(interpreted[0], package)} among them")
    try:
        library = library_name(package).encode()
        others = [source for source in sources if library not in extensions[source].read_bytes()]
    except OSError as error:
        return _not_compiled(f"{error.filename} cannot be read: {system_error(error)}")
    if others:
        return _not_compiled(f"{_name(others[0], package)} was compiled from other sources than those that lie here")
    return Compilation(True, "compiled")


def _not_compiled(why: str) -> Compilation:
    return Compilation(False, f"not compiled: {why}; install the gateway anew, see README")


def _extensions(package: Path) -> dict[Path, Path]:
    """By its source each module that an import takes from an extension instead."""
    found: dict[Path, tuple[int, Path]] = {}
    for path in package.rglob("*.so"):
        for rank, suffix in enumerate(EXTENSION_SUFFIXES):
            module = path.name.removesuffix(suffix)
            # A name with a dot is that of a file for another Python.
            if module != path.name and "." not in module:
                source = path.with_name(f"{module}.py")
                found[source] = min(found.get(source, (rank, path)), (rank, path))
    return {source: path for source, (_, path) in found.items()}


def _name(source: Path, package: Path) -> str:
    return ".".join(source.relative_to(package.parent).with_suffix("").parts)
