"""Compiles with mypyc what every request passes (gateway/compilation.py lists it); the same source runs uncompiled.

The environment variable LDAP_GATEWAY_COMPILE decides:
  1      compile, or end the installation with what is missing
  0      do not compile
  unset  compile where that can be done; elsewhere install the plain Python. Editable installations are not compiled,
         since a compiled module would hide later edits of its source.
Either all listed modules are compiled, or none is.
"""

import os
import shlex
import shutil
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build import build
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError, CCompilerError

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from gateway.compilation import compiled_sources, library_name  # noqa: E402 - it lies beside this file

MUST = os.environ.get("LDAP_GATEWAY_COMPILE") == "1"
MAY = os.environ.get("LDAP_GATEWAY_COMPILE") != "0"
EDITABLE = not {"develop", "editable_wheel"}.isdisjoint(sys.argv)
# The steps of an installation that only ask what is to be installed.
ASKED = not {"dist_info", "egg_info"}.isdisjoint(sys.argv)

# Where it is built for others, the packages that it stands on are not there yet, and their types unknown: so wherever
# it is built, lest one build do what another does not. A base class of an unknown type makes a broken class of a
# compiled one (tests/test_compiled_rooms.py). What is not compiled is no matter of the build.
_MYPY = ("--config-file=", "--no-site-packages", "--ignore-missing-imports", "--follow-imports=silent")


class WholeBuild(build):  # type: ignore[misc]  # setuptools has no types
    """A build that begins with an empty directory: setuptools would pack whatever the build before left there, also
    modules that are gone since."""

    def run(self) -> None:
        shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()
        # The admin address shows them (gateway/observe/page/documents.py).
        for document in (HERE / "docs").glob("*.md"):
            to = Path(self.build_lib) / "gateway" / "docs" / document.name
            to.parent.mkdir(exist_ok=True)
            shutil.copyfile(document, to)


class AllOrNothing(build_ext):  # type: ignore[misc]
    """A compilation by all processors at once that keeps every module, or none where one cannot be compiled: a module
    whose library is missing could not be imported."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.parallel: int | bool = self.parallel or True

    def run(self) -> None:
        try:
            super().run()
        except (BaseError, CCompilerError) as error:
            for built in map(Path, self.get_outputs()):
                built.unlink(missing_ok=True)
            print(error, file=sys.stderr)
            give_up("the compiler failed; what it says stands above")


def extensions() -> list[Extension]:
    if not MAY or (EDITABLE and not MUST):
        return []
    missing = what_is_missing()
    if missing:
        give_up(missing)
    if missing or ASKED:
        return []
    from mypyc.build import mypycify

    package = HERE / "gateway"
    sources = [str(source.relative_to(HERE)) for source in compiled_sources(package)]
    made = mypycify([*_MYPY, *sources], group_name=library_name(package))
    for extension in made:
        # What GCC warns of in generated code is nobody's to mend, and it looks for that longer than it reads the code.
        extension.extra_compile_args = [*extension.extra_compile_args, "-w"]
    return made


def what_is_missing() -> str:
    """What a compilation needs and this machine has not, in words; empty where everything is there."""
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")[0]
    headers = Path(sysconfig.get_path("include"))
    missing = []
    if shutil.which(compiler) is None:
        missing.append(f"there is no C compiler ({compiler}; Debian: apt-get install gcc libc6-dev)")
    if not (headers / "Python.h").exists():
        missing.append(f"Python's headers are missing ({headers}/Python.h; Debian: apt-get install python3-dev)")
    if find_spec("mypyc") is None:
        missing.append("mypy is not installed where the gateway is built (pip install mypy)")
    return "; ".join(missing)


def give_up(why: str) -> None:
    """Says why the gateway is not compiled, and ends the installation where it must be."""
    if MUST:
        sys.exit(
            f"The gateway cannot be compiled: {why}.\nPut that right and try again. Or set LDAP_GATEWAY_COMPILE=0: the "
            "gateway then works alike, at a third of the speed."
        )
    print(f"WARNING: the gateway is installed uncompiled, at a third of the speed: {why}.", file=sys.stderr)


setup(ext_modules=extensions(), cmdclass={"build": WholeBuild, "build_ext": AllOrNothing})
