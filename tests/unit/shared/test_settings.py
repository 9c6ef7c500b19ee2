"""Settings by their environment names; a wrong one is one line that names it and tells no secret."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from shared.domain.errors import ConfigurationError
from shared.domain.rates import ModelLimits, Rate
from shared.settings import UNPREFIXED, Settings, load_settings

SECRET = "s3cr3t-of-the-test"

GOOD: dict[str, tuple[str, Any]] = {
    "DATABASE_URL": ("postgresql+asyncpg://u:p@db/x", "postgresql+asyncpg://u:p@db/x"),
    "REDIS_URL": ("rediss://r:6380/3", "rediss://r:6380/3"),
    "REDIS_RESULT_URL": ("unix:///run/redis.sock", "unix:///run/redis.sock"),
    "TASKRUNNER_SECRET_KEY": (SECRET, SECRET),
    "TASKRUNNER_BOOTSTRAP_KEY": (SECRET, SECRET),
    "TASKRUNNER_RATE_LIMIT": ("50", 50),
    "TASKRUNNER_QUEUES": ("urgent, demo_tasks,urgent", ("urgent", "demo_tasks")),
    "TASKRUNNER_TASK_MODULES": ("a.b,c", ("a.b", "c")),
    "TASKRUNNER_ARQ_SETTINGS": ("a.b.WorkerSettings", "a.b.WorkerSettings"),
    "TASKRUNNER_CONCURRENCY": ("7", 7),
    "TASKRUNNER_QUEUE_CONCURRENCY": ("urgent=2, ai_processing=16", {"urgent": 2, "ai_processing": 16}),
    "TASKRUNNER_KEY_CONCURRENCY": ("3", 3),
    "TASKRUNNER_API_POOL_SIZE": ("3", 3),
    "TASKRUNNER_API_POOL_OVERFLOW": ("0", 0),
    "TASKRUNNER_WORKER_POOL_SIZE": ("4", 4),
    "TASKRUNNER_WORKER_POOL_OVERFLOW": ("1", 1),
    "TASKRUNNER_POOL_RECYCLE": ("60", 60),
    "TASKRUNNER_MAX_TASKS_PER_WORKER": ("0", 0),
    "TASKRUNNER_MAX_WORKER_MEMORY_MB": ("512", 512),
    "TASKRUNNER_LEASE_SECONDS": ("7.5", 7.5),
    "TASKRUNNER_SHUTDOWN_GRACE": ("0", 0.0),
    "TASKRUNNER_RESULT_TTL": ("10", 10),
    "TASKRUNNER_RETENTION_DAYS": ("90", 90),
    "TASKRUNNER_RETRY_BACKOFF_SCALE": ("0.01", 0.01),
    "TASKRUNNER_AI_BASE_URL": ("https://ai.example/v1", "https://ai.example/v1"),
    "TASKRUNNER_AI_API_KEY": (SECRET, SECRET),
    "TASKRUNNER_AI_MODEL": ("m-1", "m-1"),
    "TASKRUNNER_AI_LIMITS": (
        "org/m=1:free=60rpm/4000tpm, m-1=5tpm",
        {"org/m=1:free": ModelLimits(Rate(60, 60.0), Rate(4_000, 60.0)), "m-1": ModelLimits(tokens=Rate(5, 60.0))},
    ),
    "TASKRUNNER_AI_PATIENCE": ("60", 60.0),
    "TASKRUNNER_SMTP_URL": ("smtp+starttls://u:p@mail", "smtp+starttls://u:p@mail"),
    "TASKRUNNER_MAIL_FROM": ("me@here", "me@here"),
    "TASKRUNNER_STORAGE_DIR": ("/srv/files", Path("/srv/files")),
    "TASKRUNNER_MAX_UPLOAD_MB": ("5", 5),
    "TASKRUNNER_OUTBOUND_ALLOW": ("a.internal, 10.0.0.1", ("a.internal", "10.0.0.1")),
    "TASKRUNNER_WORKER_HEALTH_PORT": ("9000", 9_000),
    "TASKRUNNER_WORKER_HEALTH_HOST": ("0.0.0.0", "0.0.0.0"),  # noqa: S104 - read, not bound
    "TASKRUNNER_EXPECTED_WORKERS": ("2", 2),
    "TASKRUNNER_METRICS_PUBLIC": ("true", True),
    "TASKRUNNER_CORS_ORIGINS": ("https://a,https://b", ("https://a", "https://b")),
    "TASKRUNNER_LOG_FORMAT": ("json", "json"),
    "TASKRUNNER_LOG_LEVEL": ("DEBUG", "DEBUG"),
}


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable and no .env of this machine."""
    for name in os.environ:
        if name.upper() in UNPREFIXED or name.upper().startswith("TASKRUNNER_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def plain(value: Any) -> Any:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def field_of(variable: str) -> str:
    return variable.removeprefix("TASKRUNNER_").lower()


def test_every_setting_has_its_variable_in_this_test() -> None:
    assert {field_of(variable) for variable in GOOD} == set(Settings.model_fields)


@pytest.mark.parametrize("variable", GOOD)
def test_each_variable_sets_its_field(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    written, read = GOOD[variable]
    monkeypatch.setenv(variable, written)
    assert plain(getattr(load_settings(), field_of(variable))) == read


def test_a_dot_env_file_sets_them_all_and_the_environment_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lines = [f"{variable}={written}" for variable, (written, _) in GOOD.items()]
    (tmp_path / ".env").write_text("\n".join([*lines, "SOMEBODY_ELSES=1", "TASKRUNNER_UNKNOWN=1"]))
    monkeypatch.setenv("TASKRUNNER_CONCURRENCY", "9")
    settings = load_settings()
    expected = {field_of(variable): read for variable, (_, read) in GOOD.items()} | {"concurrency": 9}
    assert {name: plain(getattr(settings, name)) for name in Settings.model_fields} == expected


def test_an_unprefixed_or_foreign_name_sets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONCURRENCY", "9")
    monkeypatch.setenv("QUEUES", "mine")
    assert load_settings() == load_settings(_env_file=None)
    assert load_settings().concurrency == 20


@pytest.mark.parametrize(
    ("variable", "url"),
    [
        ("DATABASE_URL", "postgresql+asyncpg://u:a:b%2Fc#d@[::1]:5432/x"),
        ("DATABASE_URL", "postgresql+asyncpg:///x?host=/run/postgresql"),
        ("DATABASE_URL", "postgresql+asyncpg://u@db/x"),
        ("REDIS_URL", "redis://[::1]/0"),
        ("REDIS_URL", "rediss://u:p@r:6380/0?ssl_cert_reqs=none"),
        ("TASKRUNNER_AI_BASE_URL", "http://127.0.0.1:8080/v1"),
        ("TASKRUNNER_SMTP_URL", "smtp://mail:25"),
    ],
)
def test_unusual_but_good_urls_are_taken(monkeypatch: pytest.MonkeyPatch, variable: str, url: str) -> None:
    monkeypatch.setenv(variable, url)
    assert plain(getattr(load_settings(), field_of(variable))) == url


@pytest.mark.parametrize("variable", GOOD)
def test_an_empty_value_means_unset(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    default = getattr(load_settings(), field_of(variable))
    monkeypatch.setenv(variable, "")
    assert getattr(load_settings(), field_of(variable)) == default


def test_empty_parts_of_a_list_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKRUNNER_TASK_MODULES", " , a ,, b,")
    assert load_settings().task_modules == ("a", "b")


WRONG = [
    ("DATABASE_URL", f"postgresql://u:{SECRET}@db/x"),
    ("DATABASE_URL", f"postgresql+asyncpg://u:{SECRET}@db:port/x"),
    ("REDIS_URL", f"http://:{SECRET}@r"),
    ("REDIS_URL", f"redis://:{SECRET}@r:port/0"),
    ("REDIS_URL", f"redis://:{SECRET}@r/first"),
    ("REDIS_URL", f"redis://:{SECRET}@r/0?db=first"),
    ("REDIS_RESULT_URL", f"valkey://:{SECRET}@r"),
    ("TASKRUNNER_SMTP_URL", f"mailto:{SECRET}"),
    ("TASKRUNNER_AI_BASE_URL", "ftp://ai"),
    ("TASKRUNNER_QUEUES", "urgent,Not A Queue"),
    ("TASKRUNNER_QUEUES", " , "),
    ("TASKRUNNER_CONCURRENCY", "many"),
    ("TASKRUNNER_CONCURRENCY", "0"),
    ("TASKRUNNER_QUEUE_CONCURRENCY", "urgent"),
    ("TASKRUNNER_QUEUE_CONCURRENCY", "urgent=0"),
    ("TASKRUNNER_QUEUE_CONCURRENCY", "Not A Queue=2"),
    ("TASKRUNNER_KEY_CONCURRENCY", "0"),
    ("TASKRUNNER_AI_LIMITS", "60rpm"),
    ("TASKRUNNER_AI_LIMITS", "m-1=fast"),
    ("TASKRUNNER_AI_PATIENCE", "0"),
    ("TASKRUNNER_API_POOL_SIZE", "2"),
    ("TASKRUNNER_API_POOL_OVERFLOW", "1.5"),
    ("TASKRUNNER_WORKER_POOL_SIZE", "2"),
    ("TASKRUNNER_WORKER_POOL_OVERFLOW", "501"),
    ("TASKRUNNER_POOL_RECYCLE", "0"),
    ("TASKRUNNER_MAX_TASKS_PER_WORKER", "-1"),
    ("TASKRUNNER_MAX_WORKER_MEMORY_MB", "all"),
    ("TASKRUNNER_LEASE_SECONDS", "nan"),
    ("TASKRUNNER_LEASE_SECONDS", "4.9"),
    ("TASKRUNNER_SHUTDOWN_GRACE", "inf"),
    ("TASKRUNNER_RESULT_TTL", "0"),
    ("TASKRUNNER_RETENTION_DAYS", "0"),
    ("TASKRUNNER_RETRY_BACKOFF_SCALE", "0"),
    ("TASKRUNNER_MAX_UPLOAD_MB", "0"),
    ("TASKRUNNER_WORKER_HEALTH_PORT", "65536"),
    ("TASKRUNNER_EXPECTED_WORKERS", "-1"),
    ("TASKRUNNER_METRICS_PUBLIC", "perhaps"),
    ("TASKRUNNER_LOG_FORMAT", "xml"),
    ("TASKRUNNER_LOG_LEVEL", "LOUD"),
]


@pytest.mark.parametrize(("variable", "value"), WRONG)
@pytest.mark.parametrize("is_in_file", [False, True], ids=["environment", "file"])
def test_a_wrong_value_is_one_line_that_names_it_and_tells_no_secret(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, value: str, is_in_file: bool
) -> None:
    monkeypatch.setenv("TASKRUNNER_BOOTSTRAP_KEY", SECRET)
    if is_in_file:
        (tmp_path / ".env").write_text(f'{variable}="{value}"')
    else:
        monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    message = str(caught.value)
    assert message.startswith(f"{variable}: ")
    assert len(message.splitlines()) == 1
    assert SECRET not in message
    assert caught.value.__cause__ is None, "the cause would show the value in a trace"


def test_no_secret_shows_in_a_repr_or_dump() -> None:
    settings = load_settings(
        database_url=f"postgresql+asyncpg://u:{SECRET}@db/x",
        redis_url=f"redis://:{SECRET}@r/0",
        redis_result_url=f"redis://:{SECRET}@r/1",
        secret_key=SECRET,
        bootstrap_key=SECRET,
        ai_api_key=SECRET,
        smtp_url=f"smtp://u:{SECRET}@mail",
    )
    assert SECRET not in repr(settings)
    assert SECRET not in str(settings)
    assert SECRET not in settings.model_dump_json()


@pytest.mark.parametrize(
    ("url", "result_url"),
    [
        ("redis://r:6379/0", "redis://r:6379/1"),
        ("redis://r:6379/7", "redis://r:6379/8"),
        ("redis://r:6379", "redis://r:6379/1"),
        ("redis://r:6379/", "redis://r:6379/1"),
        ("rediss://u:p@r/2?ssl_cert_reqs=none", "rediss://u:p@r/3?ssl_cert_reqs=none"),
        ("redis://r:6379?db=4", "redis://r:6379?db=5"),
        ("unix:///run/redis.sock", "unix:///run/redis.sock?db=1"),
        ("unix:///run/redis.sock?db=2", "unix:///run/redis.sock?db=3"),
    ],
)
def test_results_live_in_the_next_database_by_default(url: str, result_url: str) -> None:
    assert load_settings(redis_url=url).result_url == result_url


def test_a_result_url_of_its_own_stands() -> None:
    assert load_settings(redis_url="redis://r/0", redis_result_url="redis://other/0").result_url == "redis://other/0"


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().concurrency = 3  # type: ignore[misc]
