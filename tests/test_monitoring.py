"""Alert rules, dashboard and runbook, held against each other and against what the gateway really shows."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from gateway.link.commands import Cause
from gateway.net.observer import Trouble
from gateway.net.transport.failures import FailureCause
from gateway.observe.metrics import Metrics
from gateway.observe.page.documents import anchor, document, pieces
from tests.observe.ledgers import NOW
from tests.observe.linked import linked_ledger
from tests.observe.timeline import JOB, Timeline, as_test, written

ROOT = Path(__file__).parents[1]
MONITORING = ROOT / "docker" / "monitoring"
ALERTS = MONITORING / "alerts.yaml"
# What Prometheus itself adds.
OF_PROMETHEUS = {"up"}

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def promtool():
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("needs Prometheus's own checker: apt-get install prometheus")

    def run(*arguments):
        return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=120, cwd=MONITORING)

    return run


def rules():
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def panels():
    return json.loads((MONITORING / "dashboard.json").read_text())["panels"]


def expressions():
    shown = [target["expr"] for panel in panels() for target in panel["targets"]]
    return [rule["expr"] for rule in rules()] + shown


def shown_samples():
    """Of a gateway that has just been started: nothing has happened yet that could be counted."""
    text = Metrics(linked_ledger()).page("")[0].decode()
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


def test_promtool_accepts_the_rules_and_the_example(promtool):
    for what, file in (("rules", "alerts.yaml"), ("config", "prometheus.yaml")):
        checked = promtool("check", what, file)
        assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_rules_fire_when_they_should_and_only_then(promtool, tmp_path):
    # Where each runbook_url leads has a test of its own.
    short, tests = tmp_path / "alerts.yaml", tmp_path / "tests.yaml"
    short.write_text(re.sub(r"^ +runbook_url: .*\n", "", ALERTS.read_text(), flags=re.MULTILINE))
    tests.write_text((ROOT / "tests" / "monitoring_rules.yaml").read_text().replace("ALERTS", str(short)))
    ended = promtool("test", "rules", str(tests))
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_every_metric_that_is_asked_for_exists():
    names = {sample.name for sample in shown_samples()} | OF_PROMETHEUS
    pattern = re.compile(r'__name__=~"([^"]+)"')
    for expression in expressions():
        for family in pattern.findall(expression):
            assert any(re.fullmatch(family, name) for name in names), expression
        asked = re.findall(r"\b(?:ldap_gateway|process)_[a-z_]+\b|\bup\b", pattern.sub("", expression))
        assert asked or pattern.search(expression), expression
        assert set(asked) <= names, expression


def test_every_panel_has_something_to_show_of_a_gateway_that_has_just_been_started(promtool, tmp_path):
    minutes = Timeline(NOW)
    minutes.lasts(90, Metrics(linked_ledger()).page("")[0].decode())
    asked = [target["expr"] for panel in panels() for target in panel["targets"]]
    replaced = {'job="$job"': f'job="{JOB}"', 'instance=~"$instance"': 'instance=~".+"', "$__rate_interval": "5m"}
    for variable, value in replaced.items():
        asked = [expression.replace(variable, value) for expression in asked]
    test = as_test("a gateway that has just been started", minutes, {})
    test["promql_expr_test"] = [
        {"expr": f"count({expression}) > bool 0", "eval_time": "80m", "exp_samples": [{"labels": "{}", "value": 1}]}
        for expression in asked
    ]
    assert len(asked) > 20
    tests = tmp_path / "tests.yaml"
    tests.write_text(written(str(ALERTS), test))
    ended = promtool("test", "rules", str(tests))
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_every_value_that_is_asked_for_of_a_label_can_occur():
    values = {(name, value) for sample in shown_samples() for name, value in sample.labels.items()}
    values |= {("job", "ldap-gateway"), ("complete", "no")}
    for rule in rules():
        for name, value in re.findall(r'(\w+)!?="([^"]*)"', rule["expr"]):
            assert (name, value) in values, rule["alert"]


def test_each_alert_is_in_the_runbook_and_nothing_else():
    alerts = [rule["alert"] for rule in rules()]
    assert len(alerts) == len(set(alerts))
    runbook = (ROOT / "docs" / "operations.md").read_text()
    headings = [name for line in re.findall(r"^### (.+)$", runbook, re.MULTILINE) for name in line.split(", ")]
    assert headings == alerts
    assert all({"severity"} == rule["labels"].keys() and rule["annotations"]["summary"] for rule in rules())


def test_each_runbook_url_leads_to_the_alert_in_the_runbook():
    text = document("operations")
    for rule in rules():
        address, _, target = rule["annotations"]["runbook_url"].partition("#")
        assert address == "http://127.0.0.1:8389/docs/operations"
        (heading,) = [piece for level, piece in pieces(text) if level > 0 and anchor(piece) == target]
        assert rule["alert"] in heading.split(", ")


def test_each_cause_of_a_failed_connection_is_in_the_runbook():
    runbook = (ROOT / "docs" / "operations.md").read_text()
    for cause in FailureCause:
        assert cause is FailureCause.other or f"- `{cause}`: " in runbook


def test_each_cause_of_a_lost_line_is_in_the_runbook():
    runbook = (ROOT / "docs" / "operations.md").read_text()
    # Lines do not age; berths do.
    for cause in set(Cause) - {Cause.aged}:
        assert re.search(rf"^- (`[a-z]+`, )*`{cause}`", runbook, re.MULTILINE), cause


def test_each_way_in_which_a_server_breaks_sessions_is_in_the_runbook():
    runbook = (ROOT / "docs" / "operations.md").read_text()
    for trouble in Trouble:
        assert f"- `{trouble}`: " in runbook


def test_no_two_panels_of_the_dashboard_lie_on_each_other():
    taken = set()
    for panel in panels():
        place = panel["gridPos"]
        columns, lines = (range(place[at], place[at] + place[size]) for at, size in (("x", "w"), ("y", "h")))
        cells = {(x, y) for x in columns for y in lines}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
    assert len({panel["id"] for panel in panels()}) == len(panels())


def test_the_example_asks_the_default_admin_address():
    example = yaml.safe_load((MONITORING / "prometheus.yaml").read_text())
    (job,) = example["scrape_configs"]
    gateway = yaml.safe_load((ROOT / "conf" / "gateway.example.yaml").read_text())
    assert job["job_name"] == "ldap-gateway"
    assert job["static_configs"] == [{"targets": [gateway["admin"]["address"]]}]
