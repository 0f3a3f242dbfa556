"""python -m bench [FIGURE...]: measures, and prints tables."""

import argparse
from collections.abc import Callable

from bench import memory, start
from bench.measure import Figure, machine

FIGURES: dict[str, Callable[[], Figure]] = {module.NAME: module.measure for module in (start, memory)}


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench/run", description="Measures, and prints tables.")
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help=f"of {', '.join(FIGURES)}; default: all")
    wanted = parser.parse_args().figures or list(FIGURES)
    unknown = set(wanted) - set(FIGURES)
    if unknown:
        parser.error(f"no such figure: {', '.join(sorted(unknown))}; there are {', '.join(FIGURES)}")
    print(machine(), flush=True)
    for name in wanted:
        print(f"\n{FIGURES[name]().markdown()}", flush=True)


if __name__ == "__main__":
    main()
