"""The Kubernetes manifests, held against Kubernetes' own schemas, against each other and against the gateway."""

import re
from ipaddress import ip_network
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from gateway.cli import main
from gateway.cli.options import DEFAULT_CONFIG
from gateway.config.load import load_configuration
from tests.config.certificates import write_pair

ROOT = Path(__file__).parents[1]
MANIFESTS = ROOT / "docker" / "kubernetes"
# The oldest that the manifests are meant for, and the newest whose schemas are installed.
VERSIONS = ("1.28", kubernetes_validate.latest_version())


def manifests():
    return [manifest for file in sorted(MANIFESTS.glob("*.yaml")) for manifest in yaml.safe_load_all(file.read_text())]


def manifest(kind, name="ldap-gateway"):
    (found,) = [one for one in manifests() if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found


def pod(name="ldap-gateway"):
    return manifest("Deployment", name)["spec"]["template"]["spec"]


def container(name="ldap-gateway"):
    (found,) = pod(name)["containers"]
    return found


@pytest.fixture
def settings(tmp_path):
    """What the ConfigMap's gateway.yaml says; of it nothing is replaced but files."""
    write_pair(tmp_path)
    (tmp_path / "redis").write_text("password\n")
    text = manifest("ConfigMap")["data"]["gateway.yaml"]
    mounted = {"/run/secrets/tls/tls.crt": "gateway.pem", "/run/secrets/tls/tls.key": "gateway.key"}
    mounted |= {"/run/secrets/redis/password": "redis", "corp-ca.pem": "gateway.pem"}
    for file, here in mounted.items():
        assert file in text
        text = text.replace(file, str(tmp_path / here))
    path = tmp_path / "gateway.yaml"
    path.write_text(text.replace("state_dir: /var/lib/ldap-gateway", f"state_dir: {tmp_path}"))
    return load_configuration(path).settings


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_knows_every_key_and_value(version):
    assert len(manifests()) >= 8
    for one in manifests():
        kubernetes_validate.validate(one, version, strict=True)


def test_a_misspelt_key_would_be_noticed():
    wrong = manifest("Deployment")
    wrong["spec"]["template"]["spec"]["containers"][0]["readinessprobe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[0], strict=True)


@pytest.mark.parametrize("name", ["ldap-gateway", "ldap-gateway-redis"])
def test_nothing_runs_with_more_rights_than_it_needs(name):
    of_pod, of_container = pod(name)["securityContext"], container(name)["securityContext"]
    user = re.search(r"^USER (\d+):(\d+)$", (ROOT / "docker" / "Dockerfile").read_text(), re.MULTILINE)
    assert (of_pod["runAsUser"], of_pod["runAsGroup"], of_pod["fsGroup"]) == (*map(int, user.groups()), int(user[2]))
    assert of_pod["runAsNonRoot"] is True and of_pod["seccompProfile"] == {"type": "RuntimeDefault"}
    assert of_container == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod(name)["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod(name).keys()
    assert {"requests", "limits"} <= container(name)["resources"].keys()


@pytest.mark.parametrize("name", ["ldap-gateway", "ldap-gateway-redis"])
def test_what_belongs_together_finds_each_other(name):
    deployment, labels = manifest("Deployment", name), {"app.kubernetes.io/name": name}
    assert deployment["spec"]["selector"]["matchLabels"] == labels
    assert deployment["spec"]["template"]["metadata"]["labels"] == labels
    assert manifest("Service", name)["spec"]["selector"] == labels
    assert manifest("NetworkPolicy", name)["spec"]["podSelector"]["matchLabels"] == labels
    volumes = {volume["name"]: volume for volume in pod(name)["volumes"]}
    assert {mount["name"] for mount in container(name)["volumeMounts"]} == volumes.keys()
    named = {port["name"] for port in container(name)["ports"]}
    assert {port["targetPort"] for port in manifest("Service", name)["spec"]["ports"]} <= named


def test_one_gateway_stays_while_others_go():
    assert manifest("Deployment")["spec"]["replicas"] == 2
    budget = manifest("PodDisruptionBudget")["spec"]
    assert budget["minAvailable"] == 1
    assert budget["selector"] == manifest("Deployment")["spec"]["selector"]
    (spread,) = pod()["topologySpreadConstraints"]
    assert spread["labelSelector"] == budget["selector"] and spread["topologyKey"] == "kubernetes.io/hostname"


def test_the_source_address_stays():
    assert manifest("Service")["spec"]["externalTrafficPolicy"] == "Local"


def test_the_configuration_is_right_and_says_what_the_manifests_say(settings):
    (listener,) = settings.listeners
    (port,) = container()["ports"]
    assert port["containerPort"] == listener.port
    policy = manifest("NetworkPolicy")["spec"]
    (ingress,) = policy["ingress"]
    sources = {ip_network(peer["ipBlock"]["cidr"]) for peer in ingress["from"]}
    assert sources == {network for client in settings.clients for network in client.sources}
    servers = {(server.host, server.port) for client in settings.clients for server in client.directory.servers}
    to_servers = policy["egress"][0]
    reached = {
        (str(ip_network(peer["ipBlock"]["cidr"]).network_address), port["port"])
        for peer in to_servers["to"]
        for port in to_servers["ports"]
    }
    assert reached == servers
    redis = manifest("Service", settings.lockout_store.host)
    assert settings.lockout_store.port == redis["spec"]["ports"][0]["port"]
    users = (ROOT / "docker" / "redis" / "users.acl").read_text()
    assert f"user {settings.lockout_store.user} on " in users


def test_a_stop_waits_longer_than_open_operations_may_take(settings):
    pause = int(container()["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod()["terminationGracePeriodSeconds"] > settings.drain_timeout + pause


def test_every_file_is_mounted_where_it_is_looked_for():
    mounts = {mount["mountPath"]: mount for mount in container()["volumeMounts"]}
    assert mounts[str(DEFAULT_CONFIG.parent)]["readOnly"] and DEFAULT_CONFIG.name in manifest("ConfigMap")["data"]
    text = manifest("ConfigMap")["data"]["gateway.yaml"]
    for path in re.findall(r"/(?:run|var)/[\w/.-]+", text):
        assert any(path == place or path.startswith(f"{place}/") for place in mounts), path
    # A file that is mounted by itself stays the old one.
    assert not any("subPath" in mount for mount in mounts.values())
    written = {place for place, mount in mounts.items() if not mount.get("readOnly")}
    assert written == {"/var/lib/ldap-gateway", "/tmp"}


def test_the_probes_ask_commands_that_exist():
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        program, name, *options = container()[probe]["exec"]["command"]
        command = main.get_command(None, name)
        assert program == "ldap-gateway" and command is not None
        assert set(options) <= {option for parameter in command.params for option in parameter.opts}
    assert container()["args"][0] in main.list_commands(None)
