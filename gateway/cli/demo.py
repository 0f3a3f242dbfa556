"""`ldap-gateway demo`: the gateway before a made-up directory, and a sync through it."""

from __future__ import annotations

import sys

import click


@click.command(
    epilog="Example: ldap-gateway demo --serve",
    short_help="Show a directory sync through the gateway, with made-up data.",
)
@click.option("--link", is_flag=True, help="With a gateway inside that calls the one outside (docs/link.md).")
@click.option("--serve", is_flag=True, help="Stay up afterwards, until Ctrl-C or SIGTERM, to be tried by hand.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines.")
def command(link: bool, serve: bool, as_json: bool) -> None:
    """Starts a made-up directory and the gateway before it, both on loopback, and runs a mail service's sync.

    Shows what the service asked, what reached the directory, what came back and what was held back; then checks
    that the sync was complete and that nothing leaked. Needs no configuration and leaves nothing behind. Exit
    status 0 where everything holds, 1 where not.

    With --link there are two gateways, each a process of its own: one inside, before the directory, which calls the one
    outside. The files and the memory of the one outside are then searched for what it must not know.
    """
    # Imported here, so that --help needs no reactor; and the loop first, for ldaptor takes any reactor that is there.
    import gateway.net.transport.event_loop  # noqa: F401
    from gateway.demo.direct import DirectStage
    from gateway.demo.lines import JsonReporter, LineReporter
    from gateway.demo.linked import LinkedStage
    from gateway.demo.show import Reporter, run
    from gateway.demo.tables import TableReporter

    reporter: Reporter
    if as_json:
        reporter = JsonReporter()
    elif sys.stdout.isatty():
        reporter = TableReporter()
    else:
        reporter = LineReporter()
    sys.exit(run(reporter, LinkedStage if link else DirectStage, serve))
