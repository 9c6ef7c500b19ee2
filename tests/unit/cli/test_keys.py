"""keys, through the API: the secret is data, what is said about it is not."""

from __future__ import annotations

from tests.support.fake_api import FakeApi
from tests.unit.cli.conftest import Runner

KEY = {"id": "abcd", "name": "ops", "scopes": ["read", "write"], "created_at": "2026-03-01T12:00:00Z"}
TOKEN = "trk_abcd.0123456789abcdef"


def test_a_key_is_made_and_its_secret_alone_is_data(api: FakeApi, run: Runner) -> None:
    api.answer("POST", "/api/v1/keys", 201, {**KEY, "key": TOKEN})
    made = run("keys", "create", "ops", "--scope", "read", "--scope", "write")
    assert (made.code, made.out) == (0, f"{TOKEN}\n")
    assert "shown this once" in made.err
    assert TOKEN not in made.err
    assert api.requests[-1].json == {"name": "ops", "scopes": ["read", "write"]}
    api.answer("POST", "/api/v1/keys", 201, {**KEY, "key": TOKEN})
    assert run("keys", "create", "ops", "--scope", "read", "-o", "json").json["key"] == TOKEN


def test_keys_are_listed_rotated_and_revoked(api: FakeApi, run: Runner) -> None:
    api.answer("GET", "/api/v1/keys", 200, {"data": [{**KEY, "replaced_by": "efgh"}]})
    listed = run("keys", "list")
    assert all(word in listed.out for word in ("abcd", "ops", "read, write", "efgh"))
    api.answer("POST", "/api/v1/keys/abcd/rotate", 201, {**KEY, "id": "efgh", "key": TOKEN})
    assert run("keys", "rotate", "abcd", "--overlap", "60", "-o", "id").out == "efgh\n"
    assert api.requests[-1].json == {"overlap": 60.0}
    api.answer("DELETE", "/api/v1/keys/abcd", 204, b"")
    assert "revoked abcd" in run("keys", "revoke", "abcd").err
    assert run("keys", "revoke", "abcd", "-o", "json").json == {"id": "abcd", "revoked": True}
    api.refuse("DELETE", "/api/v1/keys/nope", 404, "not_found")
    assert run("keys", "revoke", "nope").code == 3


def test_a_key_without_the_scope_is_told_so(api: FakeApi, run: Runner) -> None:
    api.refuse("GET", "/api/v1/keys", 403, "forbidden")
    assert run("keys", "list").code == 4


def test_the_audit_log_is_shown_as_far_as_asked(api: FakeApi, run: Runner) -> None:
    entry = {
        "at": "2026-03-01T12:00:00Z",
        "key": "abcd",
        "action": "queue.pause",
        "target": "urgent",
        "details": {"n": 1},
    }
    api.answer("GET", "/api/v1/audit", 200, {"data": [{**entry, "id": f"a{n}"} for n in range(5)], "next_cursor": None})
    assert run("audit", "--limit", "3", "-o", "id").out.split() == ["a0", "a1", "a2"]
    shown = run("audit").out
    assert all(word in shown for word in ("abcd", "queue.pause", "urgent", "n=1"))
