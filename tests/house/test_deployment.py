"""The image, the compose file and the units against the code: what they leave out, name and promise. Starts nothing."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import requires

import yaml
from packaging.requirements import Requirement

from service.cli.process.plan import WORKER_EXTRA_GRACE_S
from shared.settings import UNPREFIXED, Settings
from tests.house.pages import page
from tests.house.tree import ROOT
from worker.executions import ABANDON_SECONDS, GIVE_BACK_SECONDS

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = (ROOT / "compose.yaml").read_text(encoding="utf-8")
SERVICES = yaml.safe_load(COMPOSE)["services"]
EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
VARIABLES = {
    name.upper() if name.upper() in UNPREFIXED else f"TASKRUNNER_{name.upper()}" for name in Settings.model_fields
}


def needed_by(requirements: list[str]) -> set[str]:
    """The packages that these stand for, and all that those need."""
    found: set[str] = set()
    waiting = [(Requirement(line).name, frozenset(Requirement(line).extras)) for line in requirements]
    seen = set(waiting)
    while waiting:
        name, extras = waiting.pop()
        found.add(name.lower().replace("_", "-"))
        for line in requires(name) or []:
            one = Requirement(line)
            entry = (one.name, frozenset(one.extras))
            applies = one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in extras or {""})
            if applies and entry not in seen:
                seen.add(entry)
                waiting.append(entry)
    return found


def test_the_image_leaves_out_what_only_up_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = needed_by([*project["dependencies"], *extras["local-ai"], *extras["otel"]])
    match = re.search(r"grep -vxE '\(([^)]*)\)==", DOCKERFILE)
    assert match
    assert set(match[1].split("|")) == needed_by(extras["embedded"]) - wanted


def test_the_image_runs_as_nobody_in_particular() -> None:
    last_stage = DOCKERFILE.rpartition("\nFROM ")[2]
    assert "\nUSER 10001\n" in last_stage
    assert re.search(r'^CMD \["uvicorn", "service\.app:create_app", "--factory"', last_stage, re.MULTILINE)
    assert "pip install" not in last_stage


def test_every_variable_of_compose_is_in_the_example() -> None:
    named = set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", COMPOSE))
    assert named - set(re.findall(r"^#?([A-Z_]+)=", EXAMPLE, re.MULTILINE)) == set()


def test_secrets_are_asked_for_and_empty_in_the_example() -> None:
    required = set(re.findall(r"(?<!\$)\$\{([A-Z_]+):\?", COMPOSE))
    assert required == {"POSTGRES_PASSWORD", "REDIS_PASSWORD", "TASKRUNNER_SECRET_KEY", "TASKRUNNER_BOOTSTRAP_KEY"}
    assert set(re.findall(r"^([A-Z_]+)=$", EXAMPLE, re.MULTILINE)) == required


def test_every_setting_named_is_one() -> None:
    units = [path.read_text(encoding="utf-8") for path in (ROOT / "deploy").rglob("*.service")]
    assert len(units) == 3
    for text in (DOCKERFILE, COMPOSE, EXAMPLE, *units):
        named = set(re.findall(r"\bTASKRUNNER_[A-Z_]+\b", text)) - {"TASKRUNNER_TAG"}
        assert named - VARIABLES == set()


def test_a_worker_has_longer_to_stop_than_its_tasks() -> None:
    extra = GIVE_BACK_SECONDS + ABANDON_SECONDS
    grace = Settings.model_fields["shutdown_grace"].default + extra
    worker = f"stop_grace_period: {SERVICES['worker']['stop_grace_period']}"
    unit = (ROOT / "deploy/systemd/taskrunner-worker@.service").read_text(encoding="utf-8")
    for pattern, text in ((r"stop_grace_period: (\d+)s", worker), (r"TimeoutStopSec=(\d+)", unit)):
        match = re.search(pattern, text)
        assert match
        assert int(match[1]) > grace
    assert extra < WORKER_EXTRA_GRACE_S
    assert f"grace: {WORKER_EXTRA_GRACE_S:.0f} seconds more" in " ".join(page("docs/deployment.md").text.split())


def test_workers_scale() -> None:
    assert "container_name:" not in COMPOSE
    assert "ports" not in SERVICES["worker"]


def test_what_is_published_is_published_on_loopback() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {
        "api": ["${API_ADDRESS:-127.0.0.1}:${API_PORT:-8000}:8000"],
        "prometheus": ["127.0.0.1:${PROMETHEUS_PORT:-9090}:9090"],
        "grafana": ["127.0.0.1:${GRAFANA_PORT:-3000}:3000"],
    }


def test_monitoring_is_asked_for_by_name_and_stays_away_from_the_stores() -> None:
    by_profile = {name for name, service in SERVICES.items() if "profiles" in service}
    assert by_profile == {"prometheus", "grafana"}
    for name in by_profile:
        assert (SERVICES[name]["profiles"], SERVICES[name]["networks"]) == (["monitoring"], ["outside"])


def test_every_container_is_hardened() -> None:
    for name, service in SERVICES.items():
        assert (service["cap_drop"], service["read_only"]) == (["ALL"], True), name


def test_what_is_mounted_from_this_folder_is_here() -> None:
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", ()) if mount.startswith("./")]
    assert len(mounts) == 3
    for mount in mounts:
        source, _, how = mount.split(":")
        assert (ROOT / source).is_dir(), mount
        assert how == "ro"
