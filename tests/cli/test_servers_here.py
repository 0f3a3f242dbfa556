"""Commands that ask servers say where they have to be run, where a link leads to the servers."""

import pytest
from click.testing import CliRunner

from gateway.cli import main
from gateway.link.keys import write_pair
from tests.config.certificates import write_pair as write_certificate
from tests.config.link_configuration import OUTSIDE, load
from tests.link.key_files import NOW


@pytest.mark.parametrize(
    "command",
    [
        ["preview", "--client", "mimecast"],
        ["escape", "--directory", "corp", "CN=Fischer\\, Ada,DC=corp,DC=example"],
    ],
)
def test_a_directory_behind_a_link_is_asked_at_the_gateway_inside(command, tmp_path):
    for name in ("outside", "inside-1"):
        write_pair(tmp_path, name, NOW)
    write_certificate(tmp_path)
    load(tmp_path, OUTSIDE)
    name, *options = command
    result = CliRunner().invoke(main, [name, "-c", str(tmp_path / "gateway.yaml"), *options])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "directory corp is reached by link inside, so its servers cannot be asked from here; run this command at the "
        "gateway inside\n"
    )
