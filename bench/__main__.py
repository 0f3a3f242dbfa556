"""python -m bench COMMAND: measures, and prints tables."""

import argparse
import signal
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from bench import compare, endurance, entra, fairness, link, profiling, soak, start
from bench.compiled import ROOT, compiled_gateway
from bench.lab import running_lab
from bench.link_lab import linked_lab
from bench.measure import Figure, machine

_COMPARED = {
    "compare": (compare.SECTIONS, running_lab, "the gateway beside slapd as a proxy, HAProxy and no proxy at all"),
    "link": (link.SECTIONS, linked_lab, "a gateway behind a link, beside one that reaches the server by itself"),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench/run", description="Measures, and prints tables.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (sections, _, about) in _COMPARED.items():
        comparing = commands.add_parser(name, help=about)
        comparing.add_argument("--only", metavar="NAME,...", help=f"of {','.join(sections)}; default: all")
        comparing.add_argument("--rounds", type=_count, default=5)
        comparing.add_argument("--entries", type=_count, default=20_000, help="people in the directory; default: 20000")
        comparing.add_argument("--uncompiled", action="store_true", help="the gateway as it is where no compiler is")
        comparing.add_argument("--json", type=Path, metavar="FILE", help="every single value")
    profiled = commands.add_parser("profile", help="where the gateway's time goes")
    profiled.add_argument("--only", metavar="NAME,...", help=f"of {','.join(profiling.WORK)}; default: all")
    profiled.add_argument("--entries", type=_count, default=20_000)
    profiled.add_argument("--uncompiled", action="store_true")
    soaked = commands.add_parser("soak", help="syncs while the gateway is attacked")
    soaked.add_argument("--only", metavar="NAME,...", help=f"of {','.join(soak.ATTACKS)}; default: all of them")
    soaked.add_argument("--entries", type=_count, default=20_000)
    soaked.add_argument("--uncompiled", action="store_true")
    fair = commands.add_parser("fairness", help="what one client waits while others send what takes long")
    fair.add_argument("--only", metavar="NAME,...", help=f"of {','.join(fairness.INPUTS)}; default: all of them")
    fair.add_argument("--uncompiled", action="store_true")
    endured = commands.add_parser("endure", help="what the gateway holds after half an hour in an unsteady world")
    endured.add_argument("--minutes", type=float, default=30.0)
    endured.add_argument("--uncompiled", action="store_true")
    copied = commands.add_parser("entra", help="a copy of a large Entra ID tenant, read and published")
    copied.add_argument("--people", type=_count, default=100_000, help="in the tenant; default: 100000")
    commands.add_parser("start", help="how soon `run` serves")
    given = parser.parse_args()
    # So that what was started is ended by SIGTERM too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        if given.command in _COMPARED:
            sections, lab, _ = _COMPARED[given.command]
            only = _chosen(parser, given.only, sections)
            compare.compare(sections, only, lab, given.rounds, given.entries, not given.uncompiled, given.json)
        elif given.command == "profile":
            code = ROOT if given.uncompiled else compiled_gateway()
            profiling.profile(_chosen(parser, given.only, profiling.WORK), given.entries, code)
        elif given.command == "entra":
            print(machine("not compiled"), flush=True)
            for figure in entra.measure(given.people):
                print(f"\n{figure.markdown()}")
        elif given.command == "start":
            print(f"{machine('not compiled')}\n\n{start.measure().markdown()}")
        else:
            code = ROOT if given.uncompiled else compiled_gateway()
            print(machine("not compiled" if given.uncompiled else "compiled"), flush=True)
            for figure in _figures(parser, given, code):
                print(f"\n{figure.markdown()}")
    except pytest.skip.Exception as missing:
        # What the tests' servers say where a program of theirs is not installed.
        sys.exit(str(missing))


def _figures(parser: argparse.ArgumentParser, given: argparse.Namespace, code: Path) -> Iterator[Figure]:
    """The tables of a command that measures one gateway under a load, as they come."""
    if given.command == "endure":
        return endurance.endure(given.minutes, code)
    if given.command == "soak":
        return soak.soak(_chosen(parser, given.only, soak.ATTACKS), given.entries, code)
    return fairness.fairness(_chosen(parser, given.only, fairness.INPUTS), code)


def _chosen(parser: argparse.ArgumentParser, text: str | None, known: Iterable[str]) -> list[str]:
    chosen = text.split(",") if text else list(known)
    if unknown := set(chosen) - set(known):
        parser.error(f"no such name: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return chosen


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


if __name__ == "__main__":
    main()
