"""The figures of docs/deployment.md against the code they come from."""

from __future__ import annotations

import re

import pytest

from service.cli.process.launch import KEEP_ALIVE_SECONDS
from service.middleware.limits import MULTIPART_OVERHEAD
from service.preferences import MAX_WAIT_SECONDS
from service.streaming import PING_SECONDS
from shared.db.session import SERVER_SETTINGS
from shared.settings import Settings
from tests.house.pages import page

PAGE = page("docs/deployment.md")
MEBIBYTE = 1_048_576


def block(language: str) -> str:
    [found] = [block.text for block in PAGE.blocks if block.language == language]
    return found


def default(name: str) -> int:
    return int(Settings.model_fields[name].default)


def test_the_example_sums_up_the_pools_as_they_come() -> None:
    api = (default("api_pool_size"), default("api_pool_overflow"))
    worker = (default("worker_pool_size"), default("worker_pool_overflow"))
    total = sum(api) + 4 * (sum(worker) + 1) + 3 + 3
    written = f"1 × ({api[0]} + {api[1]}) + 4 × ({worker[0]} + {worker[1]} + 1) + 3 + 3 = {total}"
    assert written in " ".join(PAGE.text.split())


def test_pgbouncer_is_told_of_every_parameter_that_it_does_not_know() -> None:
    told = re.search(r"^ignore_startup_parameters = (.*)$", block("ini"), re.MULTILINE)
    assert told
    assert {*told[1].split(","), "timezone"} == set(SERVER_SETTINGS)


def test_the_role_gets_what_pgbouncer_drops() -> None:
    dropped = dict(re.findall(r"^ALTER ROLE taskrunner SET (\w+) = '?(\w+?)'?;$", PAGE.text, re.MULTILINE))
    assert {name: re.sub(r"^(\d+)s$", r"\g<1>000", value) for name, value in dropped.items()} == {
        name: value for name, value in SERVER_SETTINGS.items() if name != "timezone"
    }


@pytest.mark.parametrize(
    ("language", "pattern"), [("nginx", r"size (\d+)m;"), ("caddyfile", r"max_size (\d+)MiB")], ids=["nginx", "caddy"]
)
def test_the_proxies_let_the_largest_upload_pass(language: str, pattern: str) -> None:
    most = re.search(pattern, block(language))
    assert most
    assert int(most[1]) * MEBIBYTE >= default("max_upload_mb") * MEBIBYTE + MULTIPART_OVERHEAD


def test_nginx_waits_as_long_as_the_api_does() -> None:
    patience = re.search(r"proxy_read_timeout (\d+)s;", block("nginx"))
    assert patience
    assert int(patience[1]) > max(MAX_WAIT_SECONDS, PING_SECONDS)
    assert f"for {KEEP_ALIVE_SECONDS} s, nginx for 60" in block("nginx")
    assert KEEP_ALIVE_SECONDS > 60, "nginx's own default, which must come first"
