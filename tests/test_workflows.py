"""What GitHub and git's hooks run: the project's own commands, on all that the project says it supports."""

import os
import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def read(path):
    return yaml.safe_load((ROOT / path).read_text())


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def supported():
    """The minor versions of Python 3 that the classifiers name, in their order."""
    classifiers = "\n".join(project()["project"]["classifiers"])
    return [
        int(found) for found in re.findall(r"^Programming Language :: Python :: 3\.(\d+)$", classifiers, re.MULTILINE)
    ]


def test_one_range_of_pythons_is_told_everywhere():
    minors = supported()
    oldest = minors[0]
    assert minors == list(range(oldest, minors[-1] + 1))
    assert project()["project"]["requires-python"] == f">=3.{oldest}"
    assert project()["tool"]["mypy"]["python_version"] == f"3.{oldest}"
    assert project()["tool"]["ruff"]["target-version"] == f"py3{oldest}"
    script = (ROOT / ".ci" / "environment").read_text()
    assert f"sys.version_info < (3, {oldest})" in script
    # What `python3` is comes first, then the newest.
    (candidates,) = re.findall(r"^for candidate in (.*); do$", script, re.MULTILINE)
    assert candidates.split() == ["python3", *(f"python3.{minor}" for minor in reversed(minors))]


def jobs(workflow):
    return read(workflow)["jobs"].values()


def commands(job):
    return [line for step in job["steps"] for line in step.get("run", "").splitlines()]


def test_ci_runs_what_every_change_must_pass_on_each_python_and_debian():
    (job,) = jobs(".github/workflows/ci.yml")
    assert commands(job)[-1] == ".ci/run"
    served = job["strategy"]["matrix"]["include"]
    assert {one["python"] for one in served} == {f"3.{minor}" for minor in supported()}
    own = {"debian:bookworm": "3.11", "debian:trixie": "3.13"}
    for one in served:
        assert one["image"] in {f"python:{one['python']}-bookworm", f"python:{one['python']}-trixie", *own}
        assert own.get(one["image"], one["python"]) == one["python"]
    assert {re.split("[:-]", one["image"])[-1] for one in served} == {"bookworm", "trixie"}


def test_the_coverage_is_measured_for_each_change():
    (job,) = jobs(".github/workflows/coverage.yml")
    assert commands(job)[-1] == ".ci/coverage"


def test_each_night_more_inputs_are_tried():
    (job,) = jobs(".github/workflows/nightly.yml")
    assert commands(job)[-1].startswith(".ci/fuzz ")
    # Hypothesis keeps what it found in a hidden directory.
    (kept,) = [step["with"] for step in job["steps"] if "upload-artifact" in step.get("uses", "")]
    assert (kept["path"], kept["include-hidden-files"]) == (".hypothesis", True)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_only_read_ends_by_itself_and_uses_what_cannot_be_moved(workflow):
    assert read(workflow)["permissions"] == {"contents": "read"}
    assert "concurrency" in read(workflow)
    for job in jobs(workflow):
        assert "permissions" not in job
        assert 0 < job["timeout-minutes"] < 360
        for step in job["steps"]:
            assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", step.get("uses", f"actions/x@{40 * '0'}"))
            if "checkout" in step.get("uses", ""):
                assert step["with"]["persist-credentials"] is False
        # GitHub replaces an expression before the shell reads the command, so its value could be a command too.
        assert "${{" not in "\n".join(commands(job))


def test_the_scripts_that_the_workflows_call_are_there_and_can_be_run():
    called = {word for path in WORKFLOWS for job in jobs(path) for line in commands(job) for word in line.split()}
    scripts = {word for word in called if word.startswith(".ci/")}
    assert {".ci/run", ".ci/fuzz", ".ci/environment"} <= scripts
    assert [script for script in sorted(scripts) if not os.access(ROOT / script, os.X_OK)] == []


def test_the_hooks_before_a_commit_are_commands_of_ci_and_download_nothing():
    (repository,) = read(".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    assert {hook["language"] for hook in repository["hooks"]} == {"system"}
    entries = [hook["entry"] for hook in repository["hooks"]]
    style = [".venv/bin/ruff check .", ".venv/bin/ruff format --check ."]
    assert entries == [*style, ".venv/bin/mypy", ".venv/bin/lint-imports --no-cache", ".ci/shellcheck"]
    assert set(entries) <= set((ROOT / ".ci" / "run").read_text().splitlines())


def test_a_report_of_a_fault_asks_for_what_shows_it_and_for_no_secret():
    fields = {field["id"]: field for field in read(".github/ISSUE_TEMPLATE/bug.yml")["body"] if "id" in field}
    assert {name for name in ("version", "doctor", "audit") if fields[name]["validations"]["required"]} == {
        *("version", "doctor", "audit")
    }
    assert fields["private"]["attributes"]["options"][0]["required"]
    assert read(".github/ISSUE_TEMPLATE/config.yml")["blank_issues_enabled"] is False
