"""Makes certificates to try the gateway with: one for its listener and, where asked for, one for a directory server.

    /opt/ldap-gateway/bin/python certs/make_test_certificates.py ldap.example.com --server dc1.corp.example

Beside this script (or in --into) it writes the names that the example configurations use: gateway.pem and gateway.key
for the listener, gateway-ca.pem for its clients; with --server corp.pem and corp.key for the server, corp-ca.pem for
the gateway's ca_file. Each has a certification authority of its own, as in real life, whose key is kept nowhere.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import click

from gateway.demo.certificates import make_certificates

HERE = Path(__file__).resolve().parent


@click.command(help=__doc__.split("\n\n")[0], epilog="Example: make_test_certificates.py ldap.example.com")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--server", "servers", multiple=True, metavar="NAME", help="A directory server's name; may be repeated.")
@click.option("--days", type=click.IntRange(1, 365), default=30, show_default=True, help="How long they are valid.")
@click.option(
    "--into", type=click.Path(exists=True, file_okay=False, path_type=Path), default=HERE, help="The directory."
)
def main(names: tuple[str, ...], servers: tuple[str, ...], days: int, into: Path) -> None:
    wanted = {"gateway": names} | ({"corp": servers} if servers else {})
    # What is there may be real, and a key that is overwritten is lost.
    files = (into / f"{stem}{end}" for stem in wanted for end in ("-ca.pem", ".pem", ".key"))
    there = [str(path) for path in files if path.exists()]
    if there:
        sys.exit(f"already there, and not overwritten: {', '.join(there)}")
    for stem, its_names in wanted.items():
        try:
            made = make_certificates(into, stem, its_names, timedelta(days=days))
        except (OSError, ValueError) as error:
            sys.exit(f"no certificate for {', '.join(its_names)}: {error}")
        print(f"{made.certificate}, {made.private_key}: for {', '.join(its_names)}; its CA is {made.ca_file}")


if __name__ == "__main__":
    main()
