"""What promtool says of the shipped files: they are valid, and each alert fires when it should and not before."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import yaml

from tests.deploy.prometheus import SHIPPED, program
from tests.support.processes import ROOT

DASHBOARD = ROOT / "deploy" / "grafana" / "dashboards" / "taskrunner.json"


def promtool(*arguments: str, cwd: Path = SHIPPED) -> str:
    """What it printed; fails with that where it found fault."""
    done = subprocess.run(
        [program("promtool"), *arguments], cwd=cwd, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_configurations_are_valid() -> None:
    # --syntax-only: the key is made by whoever installs it.
    for name in ("prometheus.yml", "compose.yml"):
        promtool("check", "config", "--syntax-only", name)


def test_the_rules_are_valid() -> None:
    rules = yaml.safe_load((SHIPPED / "alerts.yml").read_text())["groups"]
    count = sum(len(group["rules"]) for group in rules)
    assert f"SUCCESS: {count} rules found" in promtool("check", "rules", "alerts.yml")


def test_each_alert_fires_when_it_should_and_not_before() -> None:
    assert "SUCCESS" in promtool("test", "rules", "alerts.test.yml")


def test_every_expression_of_the_dashboard_can_be_read(tmp_path: Path) -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    expressions = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    rules = [{"record": f"panel:{n}", "expr": plain(expr)} for n, expr in enumerate(expressions)]
    (tmp_path / "panels.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    promtool("check", "rules", "panels.yml", cwd=tmp_path)


def plain(expression: str) -> str:
    """As Grafana sends it, its own variables filled in."""
    return re.sub(r"\$__rate_interval|\$__range", "5m", expression).replace("$queue", ".*")
