"""Memory that tracemalloc traces, at a price that a test can pay.

At each allocation tracemalloc looks up the line of the source. For this Python reads the function's table of lines from
its beginning: the longer the function, the dearer each allocation. Only numbers of octets are wanted here, so the
gateway's functions have no tables while it traces.
"""

import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import CodeType, FunctionType, ModuleType


@contextmanager
def tracing() -> Iterator[None]:
    """Inside it tracemalloc traces; what it traced is forgotten at the end."""
    # coverage.py would keep something of each function that it has not seen before, and find no lines in it.
    functions = [] if "coverage" in sys.modules else _functions()
    for function, _, without_lines in functions:
        function.__code__ = without_lines
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()
        for function, code, _ in functions:
            function.__code__ = code


@cache
def _functions() -> list[tuple[FunctionType, CodeType, CodeType]]:
    """The functions of the gateway's modules, each with its code and with the same code without a table of lines. Of
    compiled modules there are none: they are not in Python's code."""
    modules = [module for name, module in sys.modules.items() if name.partition(".")[0] == "gateway"]
    functions = dict.fromkeys(function for module in modules for function in _functions_in(module))
    return [(function, function.__code__, _without_lines(function.__code__)) for function in functions]


def _functions_in(holder: ModuleType | type) -> Iterator[FunctionType]:
    for found in list(vars(holder).values()):
        if isinstance(found, type):
            if isinstance(holder, ModuleType) and found.__module__ == holder.__name__:
                yield from _functions_in(found)
            continue
        function = getattr(found, "fget", None) or getattr(found, "__wrapped__", found)
        if isinstance(function, FunctionType):
            yield function


def _without_lines(code: CodeType) -> CodeType:
    constants = tuple(_without_lines(each) if isinstance(each, CodeType) else each for each in code.co_consts)
    return code.replace(co_linetable=b"", co_consts=constants)
