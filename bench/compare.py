"""The gateway beside what people would use in its place: interleaved rounds, medians, ratios, goals."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from bench import bulk, lookups, memory, signin
from bench.compiled import ROOT, compiled_gateway
from bench.lab import Bystanders, Lab
from bench.measure import machine
from bench.requests import PagedRead
from bench.results import Results, goals_table
from bench.sections import Section
from bench.wire import drive

SECTIONS = {
    "bulk": Section(bulk.GOALS, interleaved=bulk.measure_bulk, tables=bulk.tables),
    "star": Section((), interleaved=bulk.measure_star),
    "small": Section(lookups.GOALS, interleaved=lookups.measure_lookups, tables=lookups.tables),
    "connect": Section(signin.GOALS, interleaved=signin.measure_signin, tables=signin.tables),
    "people": Section((), interleaved=signin.measure_people),
    "memory": Section(memory.GOALS, alone=memory.measure_memory, tables=memory.tables),
    "fallback": Section((), alone=bulk.measure_fallback),
}


def compare(
    sections: Mapping[str, Section],
    only: Sequence[str],
    made: Callable[[int, Path], AbstractContextManager[Lab]],
    rounds: int,
    users: int,
    compiled: bool,
    to_json: Path | None,
) -> None:
    """Prints the tables. sections: all that belong together, of which only these are measured. made: makes the lab, of
    the number of people and of where the gateway's code is. to_json: a file for every single value."""
    chosen = {name: sections[name] for name in only}
    results = Results()
    with made(users, compiled_gateway() if compiled else ROOT) as lab:
        print(machine("compiled" if compiled else "not compiled"), flush=True)
        others = _go_round(lab, results, chosen, rounds)
        for name, section in chosen.items():
            if section.alone is not None:
                _say(name)
                section.alone(lab, results, rounds)
    print(f"\n{rounds} interleaved rounds over {users:,} people; median (least-greatest).")
    if others is not None:
        print(f"Other programs of the machine used {others:.2f} processors meanwhile.")
    for section in sections.values():
        for figure in section.tables(results):
            if figure.rows:
                print(f"\n{figure.markdown()}")
    print(f"\n{goals_table([goal for section in sections.values() for goal in section.goals], results).markdown()}")
    if to_json is not None:
        to_json.write_text(json.dumps({"users": users, "rounds": rounds, "results": results.as_json()}, indent=1))


def _go_round(lab: Lab, results: Results, sections: Mapping[str, Section], rounds: int) -> float | None:
    """How many processors others used meanwhile; None where no section is interleaved."""
    interleaved = {name: section.interleaved for name, section in sections.items() if section.interleaved is not None}
    if not interleaved:
        return None
    _warm_up(lab)
    bystanders = Bystanders(lab.pids)
    for number in range(rounds):
        for name, measure in interleaved.items():
            _say(f"round {number + 1} of {rounds}: {name}")
            measure(lab, results, number)
    return bystanders.processors()


def _warm_up(lab: Lab) -> None:
    for target in lab.targets:
        with lab.connections(target, 1) as opened:
            drive((connection, PagedRead(1000)) for connection in opened)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
