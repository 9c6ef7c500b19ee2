"""Rules, runbook, dashboard and scrape configuration against each other and the documented metrics. Starts nothing."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.domain.states import AttemptOutcome
from shared.domain.webhooks import DeliveryState
from tests.house.pages import INLINE, page
from tests.house.tree import ROOT

DEPLOY = ROOT / "deploy"
METRICS = page("docs/metrics.md")
OURS = re.compile(r"\btaskrunner_(\w+)")
HISTOGRAM = re.compile(r"_(?:bucket|sum|count)$")
SEVERITIES = {"critical", "warning", "info"}


def read(path: str) -> Any:
    return yaml.safe_load((DEPLOY / path).read_text(encoding="utf-8"))


ALERTS: dict[str, dict[str, Any]] = {
    rule["alert"]: rule for group in read("prometheus/alerts.yml")["groups"] for rule in group["rules"]
}
DASHBOARD = json.loads((DEPLOY / "grafana/dashboards/taskrunner.json").read_text(encoding="utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def documented() -> set[str]:
    """Metrics in the table of docs/metrics.md, a histogram by each of its series."""
    names: set[str] = set()
    for row in METRICS.rows:
        found = re.findall(r"`(\w+)`", row[0])
        suffixes = ("_bucket", "_sum", "_count") if row[3].startswith("histogram") else ("",)
        names |= {name + suffix for name in found for suffix in suffixes}
    return names


def test_what_rules_and_dashboard_ask_for_is_documented() -> None:
    known = documented()
    expressions = [rule["expr"] for rule in ALERTS.values()]
    expressions += [target["expr"] for panel in PANELS for target in panel["targets"]]
    asked = {name for expression in expressions for name in OURS.findall(expression)}
    assert asked - known == set()
    assert {HISTOGRAM.sub("", name) for name in known} - {HISTOGRAM.sub("", name) for name in asked} == set(), (
        "a metric that nobody looks at"
    )


def test_what_a_run_and_a_webhook_may_come_to_is_documented() -> None:
    words = {row[0].strip("`"): set(re.findall(r"[a-z_]+", " ".join(INLINE.findall(row[3])))) for row in METRICS.rows}
    assert words["task_runs_total"] == {*AttemptOutcome, "poison"} - {AttemptOutcome.RUNNING}
    assert words["webhook_attempts_total"] == {*DeliveryState, "overtaken"}


@pytest.mark.parametrize("name", sorted(ALERTS))
def test_an_alert_says_how_bad_it_is_what_was_seen_and_where_to_read_on(name: str) -> None:
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in SEVERITIES
    assert rule["labels"]["service"] == "taskrunner"
    said = rule["annotations"]
    assert said["summary"]
    assert "$value" in said["description"]
    assert said["runbook_url"] == f"docs/runbook.md#{name.lower()}"


def test_every_alert_has_its_section_in_the_runbook_and_every_section_its_alert() -> None:
    sections = re.findall(r"^### (.+)$", page("docs/runbook.md").prose, re.MULTILINE)
    assert sorted(sections) == sorted(ALERTS)


def test_every_section_says_the_same_five_things() -> None:
    for section in page("docs/runbook.md").text.split("\n### ")[1:]:
        for part in ("**Means**", "**Users**", "**Look**", "**Do**", "**Ignore**"):
            assert section.count(part) == 1, (section.splitlines()[0], part)


def test_every_alert_is_tested_to_fire_and_to_be_silent() -> None:
    seen: dict[str, set[bool]] = {name: set() for name in ALERTS}
    for block in read("prometheus/alerts.test.yml")["tests"]:
        for case in block["promql_expr_test"]:
            match = re.search(r'alertname="(\w+)"', case["expr"])
            assert match
            seen[match[1]].add(bool(case["exp_samples"]))
    assert seen == {name: {True, False} for name in ALERTS}


def test_every_alert_is_seen_under_a_real_prometheus() -> None:
    named = set(re.findall(r'"(\w+)"', (ROOT / "tests/deploy/test_alerts.py").read_text(encoding="utf-8")))
    assert set(ALERTS) - named == set()


@pytest.mark.parametrize("name", ["prometheus.yml", "compose.yml"])
def test_both_kinds_of_process_are_scraped_and_the_rules_are_read(name: str) -> None:
    configuration = read(f"prometheus/{name}")
    jobs = {job["job_name"]: job for job in configuration["scrape_configs"]}
    assert set(jobs) == {"taskrunner-api", "taskrunner-worker"}
    assert jobs["taskrunner-api"]["authorization"]["credentials_file"]
    assert "authorization" not in jobs["taskrunner-worker"], "a key is for the API alone"
    assert [(DEPLOY / "prometheus" / rules).exists() for rules in configuration["rule_files"]] == [True]


def test_compose_gives_prometheus_and_grafana_what_they_ask_for() -> None:
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    api, worker = read("prometheus/compose.yml")["scrape_configs"]
    [secret] = compose["services"]["prometheus"]["secrets"]
    assert api["authorization"]["credentials_file"] == f"/run/secrets/{secret}"
    assert worker["dns_sd_configs"][0]["port"] == int(
        compose["services"]["worker"]["environment"]["TASKRUNNER_WORKER_HEALTH_PORT"]
    )
    for job in (api, worker):
        assert job["dns_sd_configs"][0]["names"][0] in compose["services"]
    [provider] = read("grafana/provisioning/dashboards/taskrunner.yml")["providers"]
    mounts = [mount.split(":")[1] for mount in compose["services"]["grafana"]["volumes"]]
    assert provider["options"]["path"] in mounts
    assert "/etc/grafana/provisioning" in mounts


def test_the_dashboard_finds_its_data_source() -> None:
    [source] = read("grafana/provisioning/datasources/prometheus.yml")["datasources"]
    variable = DASHBOARD["templating"]["list"][0]
    assert (variable["name"], variable["type"]) == ("datasource", "datasource")
    assert variable["current"]["value"] == source["uid"]
    for panel in PANELS:
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}, panel["title"]


def test_the_panels_of_the_dashboard_are_whole_and_do_not_overlap() -> None:
    assert DASHBOARD["schemaVersion"] >= 38, "Grafana 10"
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    for panel in PANELS:
        assert panel["title"], panel["id"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24, panel["title"]
    for one, other in combinations(DASHBOARD["panels"], 2):
        assert not overlap(one["gridPos"], other["gridPos"]), (one["title"], other["title"])


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return (
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )


def test_the_shipped_files_are_named_in_the_docs() -> None:
    text = page("docs/monitoring.md").text
    shipped = [path for folder in ("prometheus", "grafana/dashboards") for path in (DEPLOY / folder).iterdir()]
    assert [path.name for path in shipped if path.relative_to(ROOT).as_posix() not in text] == []
    assert Path(DEPLOY / "grafana/provisioning").is_dir()
