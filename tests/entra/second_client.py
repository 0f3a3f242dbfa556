"""Compares the copy of a made-up tenant with what Microsoft's own SDK makes of it:

    python3 -m venv /tmp/sdk && /tmp/sdk/bin/pip install msgraph-sdk
    .venv/bin/python -m tests.entra.second_client /tmp/sdk/bin/python

Both walk the same stand-in over HTTPS, through the same disorder, while the tenant changes. It is no test of the suite,
because the SDK has 36 packages and some 200 MB. It ends with 1 and says where they differ, if they do.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

from gateway.demo.certificates import make_certificates
from gateway.demo.tenant.authority import App
from gateway.demo.tenant.cloud import Cloud, ServedCloud
from gateway.demo.tenant.delta import Untidiness
from gateway.demo.tenant.made_up import make_tenant
from gateway.demo.tenant.model import Kind, Tenant
from gateway.entra.keeper import Keeper
from gateway.entra.settings import Cloud as CloudUrls
from gateway.entra.settings import CopySettings, EntraSettings, RoundSettings, TenantSettings
from gateway.ldap.dn import parse
from tests.entra.played import BASE, CLIENT, SECRET, TENANT, shown

ROUNDS = 12
ATTRIBUTES = frozenset({"displayName", "mail", "userAccountControl", "manager", "member", "memberOf"})


def disorder(random: Random) -> Untidiness:
    return Untidiness(
        page=random.choice([3, 20, 200]),
        links=random.choice([2, 500]),
        empty=0.2,
        again=0.3,
        removed=0.3,
        replayed=random.choice([0, 20]),
        shuffled=True,
    )


def change(tenant: Tenant, random: Random) -> None:
    """Some things that happen in the tenant."""
    people = [each.id for each in tenant.present(Kind.users)]
    groups = [each.id for each in tenant.present(Kind.groups)]
    gone = [each.id for each in tenant.objects.values() if each.removed is not None]
    for person in random.sample(people, 5):
        tenant.change(person, {"displayName": f"New {random.random()}", "mail": f"{random.random()}@x.example"})
        tenant.link(random.choice(groups), person)
    for group in random.sample(groups, 3):
        if tenant.links.get(group):
            tenant.unlink(group, random.choice(list(tenant.links[group])))
    tenant.remove(random.choice(people))
    tenant.purge(random.choice(people[:-1]))
    if gone:
        tenant.restore(random.choice(gone))


def copied(store: Path) -> tuple[dict[str, tuple[str, str]], dict[str, list[str]]]:
    """By id what the copy shows: name and mail, and the members of groups."""
    found = {dn: each for dn, each in shown(store).items() if dn.startswith("CN=")}
    ids = {dn: str(UUID(bytes_le=each["objectGUID"][0])) for dn, each in found.items()}
    objects = {
        ids[dn]: (each.get("displayName", [b""])[0].decode(), each.get("mail", [b""])[0].decode())
        for dn, each in found.items()
    }
    members = {
        ids[dn]: sorted(ids[value.decode()] for value in each["member"])
        for dn, each in found.items()
        if "member" in each
    }
    return objects, members


def folded(line: str) -> tuple[dict[str, tuple[str, str]], dict[str, list[str]]]:
    """The same of what the SDK knows."""
    found: dict[str, Any] = json.loads(line)
    objects = {id: (each.get("displayName", ""), each.get("mail", "")) for id, each in found["objects"].items()}
    members = {
        id: kept
        for id, each in found["members"].items()
        if id in objects and (kept := [member for member in each if member in objects])
    }
    return objects, members


def main(python: str) -> int:
    with tempfile.TemporaryDirectory() as name:
        directory, random = Path(name), Random(7)
        files = make_certificates(directory, "cloud", ("localhost", "127.0.0.1"))
        (directory / "secret").write_text(SECRET)
        cloud = Cloud(make_tenant(), App(TENANT, CLIENT, SECRET), random=Random(8))
        with ServedCloud(cloud, files) as server:
            settings = EntraSettings(
                "cloud",
                TenantSettings(
                    TENANT, CLIENT, directory / "secret", CloudUrls(server.origin, server.origin), files.ca_file
                ),
                CopySettings(parse(BASE), ATTRIBUTES, guests=True),
                directory / "copy.sqlite3",
                RoundSettings(keep_at_least=0),
            )
            token = "of the second client"
            cloud.authority._valid[token] = time.time() + 3600
            program = Path(__file__).with_name("walk_graph.py")
            walk = subprocess.Popen(
                [python, str(program), server.origin, str(files.ca_file), token],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            assert walk.stdin is not None and walk.stdout is not None
            with walk, closing(Keeper(settings, print)) as keeper:
                for number in range(ROUNDS):
                    cloud.graph.behaviour.untidy = disorder(random)
                    keeper.once()
                    walk.stdin.write("\n")
                    walk.stdin.flush()
                    mine, theirs = copied(settings.store), folded(walk.stdout.readline())
                    if mine != theirs:
                        differ = {id for id in mine[0] if mine[0][id] != theirs[0].get(id)}
                        differ |= theirs[0].keys() - mine[0].keys() | mine[1].keys() ^ theirs[1].keys()
                        differ |= {id for id in mine[1] if mine[1][id] != theirs[1].get(id)}
                        print(f"round {number}: they differ in {len(differ)} objects, such as {sorted(differ)[:3]}")
                        return 1
                    change(cloud.tenant, random)
                walk.stdin.close()
    print(f"{ROUNDS} rounds: the copy and Microsoft's SDK know the same of {len(mine[0])} objects")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
