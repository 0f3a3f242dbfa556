"""python -m tests.servers.windows: serves until its standard input ends.

The first line on standard output is a JSON object with `port` and `ca_file`. Then each line of standard input is a
JSON object with a command in `do`, and is answered by one line of JSON:
  faults    sets the faults given, and clears all others (see faults.py)
  delete    deletes the entry `dn` and all below it
  replace   gives the attribute `name` of the entry `dn` the texts `values`; none removes it
  received  the requests that came since the last time
"""

import argparse
import asyncio
import json
import ssl
import sys
import tempfile
from pathlib import Path
from typing import Any

from gateway.demo.certificates import CertificateFiles, make_certificates
from tests.servers.windows.ber import Writer
from tests.servers.windows.faults import Faults
from tests.servers.windows.names import dn_key
from tests.servers.windows.people import make_directory
from tests.servers.windows.server import Directory, Limits, accept
from tests.servers.windows.tree import Tree


def main() -> None:
    arguments = _arguments()
    writer = Writer(primitives_short=arguments.primitives_short)
    limits = Limits(arguments.max_page_size, arguments.max_val_range, arguments.max_result_sets)
    entries = make_directory(arguments.users, arguments.groups, arguments.large_group, arguments.contacts)
    directory = Directory(Tree(entries, writer, limits.max_val_range), limits, writer)
    with tempfile.TemporaryDirectory() as name:
        certificates = make_certificates(Path(name), "dc1", ("localhost", "127.0.0.1", "dc1.corp.example"))
        asyncio.run(_serve(directory, certificates, arguments.port))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.servers.windows", description="A stand-in for Windows AD.")
    parser.add_argument("--port", type=int, default=0, help="of 127.0.0.1; 0 (the default) takes a free one")
    for name, default in (("users", 500), ("groups", 20), ("large-group", 3000), ("contacts", 20)):
        parser.add_argument(f"--{name}", type=int, default=default, help=f"default {default}")
    defaults = Limits()
    parser.add_argument("--max-page-size", type=int, default=defaults.max_page_size, help="AD's MaxPageSize")
    parser.add_argument("--max-val-range", type=int, default=defaults.max_val_range, help="AD's MaxValRange")
    parser.add_argument("--max-result-sets", type=int, default=defaults.max_result_sets, help="MaxResultSetsPerConn")
    parser.add_argument("--primitives-short", action="store_true", help="long lengths for constructed elements only")
    return parser.parse_args()


async def _serve(directory: Directory, certificates: CertificateFiles, port: int) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificates.certificate, certificates.private_key)
    server = await asyncio.start_server(accept(directory), "127.0.0.1", port, ssl=tls)
    _say({"port": server.sockets[0].getsockname()[1], "ca_file": str(certificates.ca_file)})
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while line := await commands.readline():
        _say(_obey(directory, json.loads(line)))


def _obey(directory: Directory, command: dict[str, Any]) -> Any:
    wanted = command.pop("do")
    if wanted == "faults":
        directory.set_faults(Faults.read(command))
    elif wanted == "delete":
        return directory.tree.delete(dn_key(command["dn"]))
    elif wanted == "replace":
        node = directory.tree.get(dn_key(command["dn"]))
        if node is None:
            return False
        directory.tree.replace(node, command["name"], [value.encode() for value in command["values"]])
    elif wanted == "received":
        received, directory.received = directory.received, []
        return received
    else:
        raise ValueError(f"unknown command {wanted}")
    return True


def _say(what: Any) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    main()
