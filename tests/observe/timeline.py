"""Minutes of a gateway's own metrics, as promtool takes them: what the alert rules make of a state that was scraped.

A state is scraped once, or twice while it goes on, and taken to last for minutes or hours; nobody can wait for a day.
"""

import json
from collections.abc import Mapping
from typing import TypeAlias

import yaml
from prometheus_client.parser import text_string_to_metric_families

INSTANCE, JOB = "127.0.0.1:8389", "ldap-gateway"

_Key: TypeAlias = tuple[str, tuple[tuple[str, str], ...]]
Samples: TypeAlias = Mapping[_Key, float]


def samples_of(text: str) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


class Timeline:
    """began: when promtool's clock begins, which shows 0 then, in seconds since the epoch."""

    def __init__(self, began: float) -> None:
        self._began = began
        self._minutes: list[Samples | None] = []

    @property
    def now(self) -> int:
        """Minutes so far."""
        return len(self._minutes) - 1

    def lasts(self, minutes: int, text: str | None) -> None:
        """The state of this scrape lasts; None for a gateway that does not answer."""
        self._minutes += [None if text is None else samples_of(text)] * minutes

    def goes_on(self, minutes: int, before: str, after: str) -> None:
        """Each minute counters rise by what lies between two scrapes."""
        first, last = samples_of(before), samples_of(after)
        for minute in range(1, minutes + 1):
            self._minutes.append(
                {
                    key: value + (minute - 1) * (value - first.get(key, 0.0)) if _counts(key[0]) else value
                    for key, value in last.items()
                }
            )

    def series(self) -> list[dict[str, str]]:
        keys = {key for samples in self._minutes for key in samples or ()}
        found = [
            {
                "series": _named(name, labels),
                "values": _values([None if each is None else each.get((name, labels)) for each in self._rebased(name)]),
            }
            for name, labels in sorted(keys)
        ]
        up = _values([float(samples is not None) for samples in self._minutes])
        return [*found, {"series": _named("up", ()), "values": up}]

    def _rebased(self, name: str) -> list[Samples | None]:
        if not name.endswith("_timestamp_seconds"):
            return self._minutes
        return [
            None
            if samples is None
            else {key: value - self._began if value else 0.0 for key, value in samples.items() if key[0] == name}
            for samples in self._minutes
        ]


def as_test(name: str, timeline: Timeline, firing: Mapping[int, set[str]]) -> dict[str, object]:
    """For promtool: which alerts fire, by the minute."""
    return {
        "name": name,
        "interval": "1m",
        "input_series": timeline.series(),
        "promql_expr_test": [
            {
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": f"{minute}m",
                "exp_samples": [{"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in sorted(alerts)],
            }
            for minute, alerts in firing.items()
        ],
    }


def written(rules: str, *tests: Mapping[str, object]) -> str:
    return yaml.safe_dump({"rule_files": [rules], "evaluation_interval": "1m", "tests": list(tests)}, width=10_000)


def _counts(name: str) -> bool:
    return name.endswith(("_total", "_count", "_sum", "_bucket"))


def _named(name: str, labels: tuple[tuple[str, str], ...]) -> str:
    whole = [*labels, ("instance", INSTANCE), ("job", JOB)]
    return f"{name}{{{', '.join(f'{label}={json.dumps(value)}' for label, value in whole)}}}"


def _values(values: list[float | None]) -> str:
    """Runs of one value are written as promtool has them: `1x3` is four ones."""
    found: list[tuple[float | None, int]] = []
    for value in values:
        if found and found[-1][0] == value:
            found[-1] = value, found[-1][1] + 1
        else:
            found.append((value, 1))
    return " ".join(f"_x{count}" if value is None else f"{value!r}x{count - 1}" for value, count in found)
