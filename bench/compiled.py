"""The gateway of this checkout as it is installed: compiled by mypyc, in a place of its own.

`python -m bench.compiled` makes it and prints the directory; `.ci/compiled` runs a command with it.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
_KEPT = Path(sys.prefix) / "bench-compiled"
_SOURCES = ("gateway", "docs", "pyproject.toml", "setup.py", "README.md", "LICENSE")


def compiled_gateway() -> Path:
    """A directory for PYTHONPATH. It lies in the environment and is made anew once the sources change, which takes a
    minute. Raises RuntimeError where it cannot be compiled."""
    digest = hashlib.sha256()
    for file in _files():
        digest.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes())
    made = _KEPT / digest.hexdigest()[:16]
    if made.exists():
        return made
    print("Compiling the gateway; this takes a minute where its sources have changed.", file=sys.stderr, flush=True)
    _KEPT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_KEPT) as name:
        copy, target = Path(name) / "copy", Path(name) / "target"
        for file in _files():
            to = copy / file.relative_to(ROOT)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, to)
        # Everything but the gateway itself is in the environment already, also what builds it.
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        made_it = subprocess.run(
            [*pip, "--no-deps", "--no-build-isolation", "--target", target, copy],
            env={**os.environ, "LDAP_GATEWAY_COMPILE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        if made_it.returncode != 0:
            raise RuntimeError(f"the gateway cannot be compiled: {made_it.stdout}{made_it.stderr}")
        for old in _KEPT.iterdir():
            # What lies under other names is being made by another run.
            if len(old.name) == len(made.name):
                shutil.rmtree(old, ignore_errors=True)
        try:
            target.rename(made)
        except OSError:
            # Another run has made the same meanwhile.
            if not made.exists():
                raise
    return made


def _files() -> list[Path]:
    found = []
    for name in _SOURCES:
        path = ROOT / name
        found += [file for file in path.rglob("*") if _is_source(file)] if path.is_dir() else [path]
    return sorted(found)


def _is_source(file: Path) -> bool:
    return file.is_file() and file.suffix not in {".pyc", ".so", ".c"}


if __name__ == "__main__":
    print(compiled_gateway())
