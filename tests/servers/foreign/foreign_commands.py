"""The commands of tests/servers/foreign_program.py on standard input, and the answers on standard output."""

import base64
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

Command = dict[str, list[str]]
Answer = dict[str, Any]


def serve(handlers: Mapping[str, Callable[[Command], Answer]]) -> None:
    """handlers: by the word in `do`. Returns once nobody sends commands any more."""
    for line in sys.stdin:
        command = parse_qs(line.rstrip("\n"), keep_blank_values=True)
        print(json.dumps(handlers[command["do"][0]](command)), flush=True)


def number(command: Command, name: str, otherwise: int) -> int:
    """otherwise: the library's default."""
    return int(command[name][0]) if name in command else otherwise


def entry(dn: str, attributes: Mapping[str, list[bytes] | None]) -> Answer:
    """attributes: values by name; None where the search asked for none, as ldap3 has it."""
    values = {name: [base64.b64encode(value).decode() for value in found or ()] for name, found in attributes.items()}
    return {"dn": dn, "attributes": values}
