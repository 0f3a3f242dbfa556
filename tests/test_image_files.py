"""The files that the image is made of, held against the project that they are made for; no container engine needed."""

import json
import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from bench.gateway_process import ENVIRONMENT
from gateway.cli import main
from gateway.cli.options import DEFAULT_CONFIG

ROOT = Path(__file__).parents[1]
DOCKER = ROOT / "docker"


def stages():
    """The instructions of each stage as (word, rest), continuation lines joined, comments left out."""
    text = "\n".join(line for line in (DOCKER / "Dockerfile").read_text().splitlines() if not line.startswith("#"))
    found = [[]]
    for line in text.replace("\\\n", " ").splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            found.append([])
        if word:
            found[-1].append((word, rest.strip()))
    return found


def final(word):
    """What an instruction of the final stage says; it must be there once."""
    (said,) = [rest for found, rest in stages()[-1] if found == word]
    return said


def locked(name):
    """The versions of a lock by package, each of them with at least one hash."""
    found = {}
    for entry in (DOCKER / name).read_text().replace("\\\n", " ").splitlines():
        if entry.strip() and not entry.lstrip().startswith("#"):
            requirement, *hashes = entry.split("--hash=")
            assert hashes and all(re.fullmatch(r"sha256:[0-9a-f]{64}", one.strip()) for one in hashes), requirement
            pinned = Requirement(requirement.strip())
            (pin,) = pinned.specifier
            assert pin.operator == "==", requirement
            found[canonicalize_name(pinned.name)] = Version(pin.version)
    return found


@pytest.mark.parametrize(
    ("lock", "table", "key"),
    [("requirements.lock", "project", "dependencies"), ("build-requirements.lock", "build-system", "requires")],
)
def test_a_lock_has_everything_that_the_project_asks_for(lock, table, key):
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())[table][key]
    versions = locked(lock)
    for requirement in map(Requirement, wanted):
        version = versions.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement.name} is not locked: run docker/renew-locks"
        assert version in requirement.specifier, f"{requirement} is locked at {version}: run docker/renew-locks"


@pytest.mark.parametrize("lock", ["requirements.lock", "build-requirements.lock"])
def test_a_lock_names_no_place_to_download_from(lock):
    assert not re.search(r"://|--(extra-)?index-url|--find-links|file:", (DOCKER / lock).read_text())


def test_every_package_is_installed_from_a_lock_with_its_hashes():
    builder = stages()[1]
    environment = " ".join(rest for word, rest in builder if word == "ENV")
    assert "PIP_REQUIRE_HASHES=1" in environment
    for command in " && ".join(rest for word, rest in builder if word == "RUN").split("&&"):
        if " install " in command and "pip" in command:
            assert re.search(r"-r docker/[a-z-]+\.lock|--no-index wheel/\*\.whl", command), command


def test_the_final_stage_neither_builds_nor_installs():
    said = " ".join(rest for word, rest in stages()[-1] if word == "RUN")
    assert not re.search(r"\b(pip|apt-get|gcc|curl)\b", said)


def test_the_measurements_are_of_what_it_runs_with():
    assert set(final("ENV").split()) > {f"{name}={value}" for name, value in ENVIRONMENT.items()}


def test_the_user_is_a_number_that_is_not_root():
    # Kubernetes' runAsNonRoot cannot judge a name.
    user, _, group = final("USER").partition(":")
    assert user.isdigit() and int(user) > 0
    assert group.isdigit() and int(group) > 0
    made = [rest for word, rest in stages()[-1] if word == "RUN"]
    assert any(f"-o {user} -g {group} {final('VOLUME')}" in rest for rest in made)


def test_signals_reach_the_gateway_and_the_commands_exist():
    # A shell in between would swallow SIGHUP and SIGTERM.
    assert json.loads(final("ENTRYPOINT")) == ["ldap-gateway"]
    assert final("STOPSIGNAL") == "SIGTERM"
    health = json.loads(final("HEALTHCHECK").partition("CMD ")[2])
    assert health[0] == "ldap-gateway"
    commands = main.list_commands(None)
    assert {health[1], *json.loads(final("CMD"))} <= set(commands)


def test_what_is_copied_exists_and_is_not_ignored_and_keys_are_ignored():
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    admitted = [line[1:] for line in lines if line.startswith("!")]
    copied = [
        source
        for word, rest in stages()[1]
        if word == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    ]
    assert sorted(copied) == sorted(admitted)
    # The package is where it is installed; its source may lie elsewhere.
    assert all((ROOT / source).exists() for source in copied if source != "gateway")
    assert "gateway" in copied
    assert not any(fnmatch(path, source) for path in ("certs", ".git", "gateway.yaml", "docker") for source in admitted)


def compose():
    return yaml.safe_load((DOCKER / "compose.yaml").read_text())


def test_every_service_is_hardened_and_sees_source_addresses():
    for name, service in compose()["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["network_mode"] == "host", name
        assert "ports" not in service and "cap_add" not in service and "privileged" not in service, name


def test_the_gateway_reads_what_it_is_given_and_writes_to_its_volume_alone():
    mounts = [mount.rsplit(":", 2) for mount in compose()["services"]["gateway"]["volumes"]]
    read_only = {mount[1] for mount in mounts if mount[2:] == ["ro"]}
    written = {mount[-1] for mount in mounts if mount[2:] != ["ro"]}
    assert str(DEFAULT_CONFIG.parent) in read_only
    assert written == {final("VOLUME")}


def test_a_stop_waits_longer_than_open_operations_may_take():
    example = yaml.safe_load((ROOT / "conf" / "gateway.example.yaml").read_text())
    grace = compose()["services"]["gateway"]["stop_grace_period"]
    assert int(grace.removesuffix("s")) > example["drain_timeout"]


def test_a_gateway_inside_is_hardened_alike_and_lets_nobody_in():
    inside = yaml.safe_load((DOCKER / "compose.inside.yaml").read_text())
    for name, service in inside["services"].items():
        assert service["read_only"] is True and service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "ports" not in service and "cap_add" not in service and "privileged" not in service, name
        # On the host's network the admin page would be open to every user of the host.
        assert service.get("network_mode") != "host", name
    gateway, keys = inside["services"]["gateway"], inside["services"]["keys"]
    assert gateway["stop_grace_period"] == compose()["services"]["gateway"]["stop_grace_period"]
    assert gateway["volumes"] == compose()["services"]["gateway"]["volumes"]
    # It writes keys and nothing else, and no running gateway has that directory to write to.
    assert keys["entrypoint"][:3] == ["ldap-gateway", "link", "key"]
    assert [mount.rpartition(":")[2] for mount in keys["volumes"]] == [keys["entrypoint"][3]]
    assert keys["network_mode"] == "none"


def test_two_gateways_are_hardened_alike_and_found_where_haproxy_looks():
    two = yaml.safe_load((DOCKER / "compose.two.yaml").read_text())
    haproxy = (DOCKER / "haproxy" / "haproxy.cfg").read_text()
    for name, service in two["services"].items():
        assert service["read_only"] is True and service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "ports" not in service and "cap_add" not in service and "privileged" not in service, name
    for name in ("gateway1", "gateway2"):
        gateway = two["services"][name]
        assert f"server {name} {gateway['networks']['inside']['ipv4_address']}:1636" in haproxy
        assert gateway["stop_grace_period"] == compose()["services"]["gateway"]["stop_grace_period"]
        targets = [mount.rsplit(":", 2) for mount in gateway["volumes"]]
        assert {mount[-1] for mount in targets if mount[2:] != ["ro"]} == {final("VOLUME")}
    assert two["services"]["haproxy"]["network_mode"] == "host"
    (subnet,) = two["networks"]["inside"]["ipam"]["config"]
    assert f"trusted_proxies: [{subnet['gateway']}]" in (DOCKER / "compose.two.yaml").read_text()
