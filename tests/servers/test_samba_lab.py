"""The Samba domain of the tests, which must do what they rely on, and what tests/servers/samba/README.md says."""

import subprocess

from tests.servers.samba_domain import LAB


def test_the_domain_passes_all_checks_of_the_lab(samba):
    checked = subprocess.run([LAB / "check.sh", samba["LAB_DIR"]], capture_output=True, text=True, timeout=280)
    told = [line for line in checked.stdout.splitlines() if not line.startswith(("ok ", "# "))]
    assert (checked.returncode, told) == (0, []), checked.stderr
    assert checked.stdout.count("\nok ") > 100
