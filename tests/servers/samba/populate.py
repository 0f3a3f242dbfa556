#!/usr/bin/python3
"""The filling of an empty domain with made-up people: populate.py [--users N] DIR.

It writes to the database files of a domain controller that does not run, in one transaction. The same N always makes
the same entries, but for their objectGUIDs and time stamps.

It counts what it makes, and writes DIR/manifest.json: the counts, DNs, accounts and passwords that a test may rely on.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from domain import (
    DISABLED,
    GLOBAL_DISTRIBUTION,
    NO_EXPIRY,
    NORMAL,
    UNIVERSAL_SECURITY,
    WORKSTATION,
    Domain,
    rdn_value,
    unicode_password,
)
from people import CITIES, DEPARTMENTS, FAMILY, GIVEN, NESTED_UNIT, SPECIAL_NAMES, SPECIAL_UNITS, TITLES

HERE = Path(__file__).resolve().parent

# A time span that never ends, in attributes such as maxPwdAge.
NEVER = "-9223372036854775808"
# 1970, in hundreds of nanoseconds since 1601.
LONG_AGO = 116444736000000000


def photo(chance: random.Random, size: int) -> bytes:
    """Octets that begin and end as a JPEG does, with noise between."""
    head = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
    return head + chance.randbytes(size - len(head) - 2) + b"\xff\xd9"


class Company:
    """What a domain gets: so many people, and everything else. counts: what was made, by kind."""

    def __init__(self, domain: Domain, users: int) -> None:
        self.domain = domain
        self.users = users
        self.counts: Counter[str] = Counter()
        self.people: list[str] = []
        self._chance = random.Random(20240229)

    def make(self) -> None:
        with self.domain.transaction():
            self.set_domain_policy()
            self.make_service_account()
            self.make_staff()
            self.make_test_accounts()
            self.make_contacts()
            self.make_groups()
            self.make_oddities()

    def set_domain_policy(self) -> None:
        self.domain.replace(self.domain.base, maxPwdAge=NEVER, lockoutDuration=NEVER)
        # By default every user may add ten computers to the domain.
        self.domain.replace(self.domain.base, **{"ms-DS-MachineAccountQuota": "0"})

    def make_service_account(self) -> None:
        dn = self.domain.add_account(
            "svc-mimecast",
            "svc-mimecast",
            self.domain.add_unit("Service Accounts"),
            password=self.domain.settings["LAB_SVC_PW"],
            note="the sync account, which reads everything and writes nothing",
            description="SECRET-SVC rotate with care",
        )
        # By default every user may change some of his own attributes.
        self.domain.add_ace(dn, "(D;;WPWDWO;;;PS)")

    def make_staff(self) -> None:
        self.staff = self.domain.add_unit("Staff")
        cities = [self.domain.add_unit(city, self.staff) for city in CITIES]
        special = [self.domain.add_unit(name, self.staff) for name in SPECIAL_UNITS]
        special.append(self.domain.add_unit(NESTED_UNIT, special[0]))
        inhabitants: Counter[str] = Counter()
        for number in range(1, self.users + 1):
            in_special = number % 3 == 0
            unit = special[number // 3 % len(special)] if in_special else cities[number % len(cities)]
            inhabitants[unit] += 1
            self.people.append(self.add_person(number, unit))
            if number % 1000 == 0:
                print(f"  {number} users", file=sys.stderr, flush=True)
        names = [*SPECIAL_UNITS, NESTED_UNIT]
        self.special_units = [
            {"name": name, "dn": unit, "users": inhabitants[unit]} for name, unit in zip(names, special, strict=True)
        ]

    def add_person(self, number: int, unit: str) -> str:
        # Each pair of names comes once before the first comes again, which then gets a number.
        turn, pair = divmod(number - 1, len(GIVEN) * len(FAMILY))
        step, index = divmod(pair, len(GIVEN))
        given, given_in_mail = GIVEN[index]
        family, family_in_mail = FAMILY[(index + step) % len(FAMILY)]
        suffix = f" {turn + 1}" if turn else ""
        full = f"{given} {family}{suffix}"
        name = f"u{number:05}"
        mail, addresses = self.addresses_of_person(
            number, f"{given_in_mail}.{family_in_mail}{suffix.strip()}", f"{given_in_mail[0]}{family_in_mail}"
        )
        # Making the keys of a password takes 20 ms, too long for everybody.
        signs_in = number <= 10
        disabled = number % 20 == 0
        control = NORMAL | (NO_EXPIRY if signs_in else 0) | (DISABLED if disabled else 0)
        has_photo = number % 10 == 1
        hidden_text = number % 4 == 0
        self.counts["staff"] += 1
        self.counts["staff_disabled"] += disabled
        self.counts["staff_with_mail"] += mail is not None
        self.counts["staff_with_photo"] += has_photo
        self.counts["staff_hidden_text"] += hidden_text
        dn: str = self.domain.add_entry(
            f"CN={rdn_value(f'{family}, {given}{suffix}' if number % 3 == 1 else full)},{unit}",
            "user",
            sAMAccountName=name,
            userPrincipalName=f"{name}@{self.domain.dns}",
            userAccountControl=str(control),
            unicodePwd=unicode_password(self.domain.settings["LAB_USER_PW"]) if signs_in else None,
            givenName=given,
            sn=family,
            displayName=full,
            mail=mail,
            proxyAddresses=addresses,
            telephoneNumber=f"+44 20 7946 {number % 10000:04}",
            department=DEPARTMENTS[number % len(DEPARTMENTS)],
            title=TITLES[number % len(TITLES)],
            company="Corp & Co., Ltd.",
            l=CITIES[number % len(CITIES)],
            streetAddress=f"{number % 200 + 1} High Street\r\nFloor {number % 12}",
            manager=self.people[(number - 2) // 8] if number > 1 else None,
            thumbnailPhoto=photo(self._chance, 2000 + number * 37 % 4000) if has_photo else None,
            # No gateway may let these out.
            employeeID=f"LEAK-EMP-{number:05}",
            pager=f"LEAK-PGR-{number:05}",
            description=f"SECRET-NOTE-{number:05} salary band {number % 9}" if hidden_text else None,
        )
        return dn

    def addresses_of_person(self, number: int, local_part: str, initials: str) -> tuple[str | None, list[str]]:
        """The values of mail and proxyAddresses."""
        if number % 25 == 0:
            return None, []
        mail = f"{local_part}@{'emea.' if number % 4 == 3 else ''}{self.domain.dns}"
        if number % 7 == 0:
            mail = mail.title()
        addresses = [f"SMTP:{mail}", f"smtp:u{number:05}@{self.domain.dns}"]
        if number % 3 == 0:
            addresses += [f"smtp:{initials}@legacy.{self.domain.dns}", f"SIP:{mail}"]
        if number % 10 == 0:
            addresses.append(f"X500:/o=Corp/ou=First Administrative Group/cn=Recipients/cn=u{number:05}")
        return mail, addresses

    def make_test_accounts(self) -> None:
        unit = self.domain.add_unit("Test Accounts")
        add, dns = self.domain.add_account, self.domain.dns
        add(
            *("Plain User", "t-plain", unit),
            note="nothing special",
            mail=f"plain@{dns}",
            employeeID="LEAK-EMP-PLAIN",
        )
        add(
            *("Disabled User", "t-disabled", unit),
            note="account disabled",
            bind_data="533",
            control=NORMAL | DISABLED | NO_EXPIRY,
            mail=f"disabled@{dns}",
        )
        add(
            *("Expired User", "t-expired", unit),
            note="account expired",
            bind_data="701",
            accountExpires=str(LONG_AGO),
        )
        add(
            *("Must Change", "t-mustchange", unit),
            note="password must be changed",
            bind_data="773",
            control=NORMAL,
            pwdLastSet="0",
        )
        locked = add("Locked Out", "t-locked", unit, note="locked out", bind_data="775")
        self.domain.replace(locked, lockoutTime=str(LONG_AGO + time.time_ns() // 100))
        add(
            *("Odd Password", "t-oddpw", unit),
            note="password with non-ASCII characters and punctuation",
            password=self.domain.settings["LAB_ODD_PW"],
        )
        add(
            *("O'Brien, (Pat)*", "t-obrien", unit),
            note="comma, brackets, star and apostrophe in the CN",
            givenName="Pat",
            sn="O'Brien",
            mail=f"pat.o'brien@{dns}",
            proxyAddresses=[f"SMTP:pat.o'brien@{dns}", f"smtp:pat@{dns}"],
            pager="LEAK-PGR-OBRIEN",
            description="SECRET-OBRIEN",
        )
        for common_name, name in SPECIAL_NAMES:
            add(common_name, name, unit, note="special characters in the CN")
        self.special_objects = {
            str(account["dn"]): str(account["note"])
            for name, account in self.domain.accounts.items()
            if name.startswith("t-")
        }
        self.domain.add_entry(
            f"CN=Many Addresses,{unit}",
            "user",
            sAMAccountName="t-many",
            userAccountControl=str(NORMAL),
            mail=f"many@{dns}",
            proxyAddresses=[f"SMTP:many@{dns}", *(f"smtp:many{number:03}@{dns}" for number in range(1, 300))],
        )
        # AD takes no photo larger than 100 KiB.
        self.domain.add_entry(
            f"CN=Large Photo,{unit}",
            "user",
            sAMAccountName="t-photo",
            userAccountControl=str(NORMAL),
            thumbnailPhoto=photo(self._chance, 100 * 1024),
        )

    def make_contacts(self) -> None:
        unit = self.domain.add_unit("Contacts")
        self.contacts = []
        for number in range(1, max(10, self.users // 50) + 1):
            given, given_in_mail = GIVEN[number * 7 % len(GIVEN)]
            family, family_in_mail = FAMILY[number * 11 % len(FAMILY)]
            mail = f"{given_in_mail}.{family_in_mail}.{number}@partner.example"
            self.counts["contacts"] += 1
            self.contacts.append(
                self.domain.add_entry(
                    f"CN={rdn_value(f'{given} {family} (Partner {number})')},{unit}",
                    "contact",
                    givenName=given,
                    sn=family,
                    displayName=f"{given} {family} (Partner)",
                    mail=mail,
                    proxyAddresses=[f"SMTP:{mail}"],
                    company="Partner GmbH",
                    description=f"SECRET-CONTACT-{number:05}",
                    pager=f"LEAK-PGR-C{number:05}",
                )
            )

    def make_groups(self) -> None:
        self.domain.add_unit("Groups")
        add, people = self.domain.add_group, self.people
        self.big_group = add("GG-All-Staff", people, description="SECRET-GROUP everybody")
        departments = [
            add(
                f"GG-Dept-{name}",
                [dn for number, dn in enumerate(people, 1) if number % len(DEPARTMENTS) == index],
                account=f"GG-Dept-{index:02}",
                mail=f"dept{index:02}@{self.domain.dns}",
            )
            for index, name in enumerate(DEPARTMENTS)
        ]
        add("GG-EMEA", departments[:2])
        # For LDAP_MATCHING_RULE_IN_CHAIN: the first has the second, the second the third, and the third has people.
        self.nested_people = people[:3]
        third = add("GG-Nest-3", self.nested_people)
        self.nest_top = add("GG-Nest-1", [add("GG-Nest-2", [third])])
        self.loop_group = add("GG-Loop-A", people[:1])
        other = add("GG-Loop-B", [self.loop_group, *people[1:2]])
        self.domain.add_member(self.loop_group, other)
        add("GG-Empty", [])
        add('R+D, "Core" <Team>; #1', people[:5], account="GG-Special")
        add(
            "DL-Company News",
            self.contacts[:5] + people[:50],
            account="DL-News",
            kind=GLOBAL_DISTRIBUTION,
            displayName="Company News",
            mail=f"news@{self.domain.dns}",
            proxyAddresses=[f"SMTP:news@{self.domain.dns}"],
        )
        add("UG-Partners", self.contacts, kind=UNIVERSAL_SECURITY, mail=f"partners@{self.domain.dns}")

    def make_oddities(self) -> None:
        # In AD (objectClass=user) matches computers as well.
        for number in range(1, 4):
            self.counts["computers"] += 1
            self.domain.add_entry(
                f"CN=PC-{number:04},CN=Computers,{self.domain.base}",
                "computer",
                sAMAccountName=f"PC-{number:04}$",
                userAccountControl=str(WORKSTATION),
                description="SECRET-PC",
            )
        # Replication leaves such an entry behind where two domain controllers took the same name.
        guid = "0b1f7a52-3c44-4a0e-9a39-1f3f5a6b7c8d"
        conflict = self.domain.add_entry(
            f"CN=Duplicate\\0ACNF:{guid},OU=Test Accounts,{self.domain.base}",
            "contact",
            mail="duplicate@partner.example",
        )
        self.special_objects[conflict] = "a conflict object, with a line feed in its CN"

    def manifest(self) -> dict[str, Any]:
        """What a test may rely on."""
        return {
            "base": self.domain.base,
            "users": self.users,
            "counts": self.counts,
            "staff_ou": self.staff,
            "special_ous": self.special_units,
            "special_objects": self.special_objects,
            "big_group": self.big_group,
            "nest_top": self.nest_top,
            "nest_users": len(self.nested_people),
            "loop_group": self.loop_group,
            "first_user": self.people[0],
            "accounts": self.domain.accounts,
        }


def settings_of(directory: str) -> dict[str, str]:
    """The settings of the lab in directory, as lab.sh reads them. Ends the program where it is no lab or runs."""
    script = (
        '. "$1/lab.sh"; lab_load "$2"; '
        'if lab_pid >/dev/null; then die "the domain controller is running; stop it with stop.sh first"; fi; env -0'
    )
    shell = subprocess.run(
        ["bash", "-c", script, Path(__file__).name, HERE, directory], stdout=subprocess.PIPE, check=False
    )
    if shell.returncode:
        sys.exit(shell.returncode)
    variables = (line.partition("=") for line in shell.stdout.decode().split("\0"))
    return {name: value for name, _, value in variables if name.startswith("LAB_")}


def main() -> None:
    parser = argparse.ArgumentParser(description="Fills the empty domain of a lab with made-up people.")
    parser.add_argument("dir", help="where provision.sh made the domain")
    parser.add_argument("--users", type=int, default=500, metavar="N", help="how many, from 20 to 99999; default: 500")
    arguments = parser.parse_args()
    if not 20 <= arguments.users <= 99999:
        parser.error("--users: from 20 to 99999")
    settings = settings_of(arguments.dir)
    manifest = Path(settings["LAB_DIR"], "manifest.json")
    if manifest.exists():
        sys.exit("populate.py: the domain has its people already (provision.sh --force makes a new one)")
    began = time.monotonic()
    company = Company(Domain(settings), arguments.users)
    company.make()
    manifest.write_text(json.dumps(company.manifest(), ensure_ascii=False, indent=1), encoding="utf-8")
    print(f"populate.py: {arguments.users} users in {time.monotonic() - began:.1f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
