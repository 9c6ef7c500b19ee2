"""Settings from the environment and ``.env``. Read once per process, by its entry point; never at import."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shared.domain.definition import QUEUE_NAME
from shared.domain.errors import ConfigurationError
from shared.domain.rates import ModelLimits, parse_model_limits

Names = Annotated[tuple[str, ...], NoDecode]
Counts = Annotated[dict[str, Annotated[int, Field(ge=1)]], NoDecode]
Port = Annotated[int, Field(ge=1, le=65_535)]

PORT = re.compile(r":([^:/?\]]*)(?=[/?]|$)")
UNPREFIXED = ("DATABASE_URL", "REDIS_URL", "REDIS_RESULT_URL")


class Settings(BaseSettings):
    """One process's settings. Every name but the three store URLs takes the prefix ``TASKRUNNER_``."""

    model_config = SettingsConfigDict(
        env_prefix="TASKRUNNER_",
        env_file=".env",
        extra="ignore",
        frozen=True,
        env_ignore_empty=True,
        use_attribute_docstrings=True,  # docs/reference/settings.md is made of them
    )

    database_url: SecretStr = Field(
        default=SecretStr("postgresql+asyncpg://taskrunner:taskrunner@127.0.0.1:5432/taskrunner"),
        validation_alias=AliasChoices("DATABASE_URL", "database_url"),
    )
    """PostgreSQL, as `postgresql+asyncpg://user:password@host:port/name`."""
    redis_url: SecretStr = Field(
        default=SecretStr("redis://127.0.0.1:6379/0"), validation_alias=AliasChoices("REDIS_URL", "redis_url")
    )
    """Redis or Valkey, for hints: arq's own keys."""
    redis_result_url: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("REDIS_RESULT_URL", "redis_result_url")
    )
    """Redis or Valkey for progress, output and copies of results; unset: the database after that of `REDIS_URL`."""

    secret_key: SecretStr | None = None
    """Keys the hashes of API keys and the secrets of webhooks, the same in every process; another voids them all."""
    bootstrap_key: SecretStr | None = None
    """The first admin key, `trk_<id>.<secret>`; stored when the API starts."""
    rate_limit: int = Field(default=0, ge=0, le=1_000_000)
    """Requests a second that each API key may make, on average over ten seconds; 0: as many as it likes."""
    queues: Names = ("urgent", "ai_processing", "demo_tasks")
    """The queues a worker serves, first to last; for the API: those a task may name."""
    task_modules: Names = ()
    """Importable modules with task types of your own."""
    arq_settings: str | None = None
    """`package.module.WorkerSettings`, an arq settings class of yours: workers serve its functions and cron jobs."""
    concurrency: int = Field(default=20, ge=1, le=1_000)
    """Tasks one worker runs at once."""
    queue_concurrency: Counts = Field(default={})
    """Tasks of a queue that run at once over all workers, as `ai_processing=16,urgent=4`; the same everywhere."""
    key_concurrency: int = Field(default=1, ge=1)
    """Tasks of one `concurrency_key` that run at once over all workers."""
    api_pool_size: int = Field(default=20, ge=3, le=500)
    """Database connections that each API process keeps; two of them are held for submits and reads."""
    api_pool_overflow: int = Field(default=30, ge=0, le=500)
    """How many more an API process may open under load."""
    worker_pool_size: int = Field(default=5, ge=3, le=500)
    """Database connections that each worker keeps; two of them are held for claims and settles."""
    worker_pool_overflow: int = Field(default=5, ge=0, le=500)
    """How many more a worker may open under load."""
    pool_recycle: int = Field(default=3_600, ge=1)
    """Seconds; a database connection older than this is replaced."""
    max_tasks_per_worker: int = Field(default=1_000, ge=0)
    """A worker drains and ends after so many tasks and arq jobs, for its supervisor to start a fresh one; 0: never."""
    max_worker_memory_mb: int = Field(default=0, ge=0)
    """A worker does so, too, past so many MiB of resident memory; 0: no limit."""
    lease_seconds: float = Field(default=6.0, ge=5, le=3_600)
    """A worker whose heartbeat stands still for so many seconds is declared dead, and its tasks are taken back."""
    shutdown_grace: float = Field(default=25.0, ge=0, le=3_600)
    """Seconds that a stopping worker lets its tasks run on before it gives them back."""
    result_ttl: int = Field(default=3_600, ge=1)
    """Seconds that copies of results and streamed output stay in Redis; the row is the record."""
    retention_days: int = Field(default=30, ge=1)
    """Finished tasks are kept for so many days after their end, files after their upload."""
    retry_backoff_scale: float = Field(default=1.0, gt=0, le=100)
    """Multiplies every backoff of a retry policy."""

    ai_base_url: str | None = None
    """An OpenAI-compatible endpoint, with its `/v1`; unset: the embedded model."""
    ai_api_key: SecretStr | None = None
    """The key of that endpoint."""
    ai_model: str | None = None
    """The model to ask for where a task names none."""
    ai_limits: Annotated[dict[str, ModelLimits], NoDecode] = Field(default={})
    """What the provider allows a minute, by model: `gpt-4o-mini=500rpm/200000tpm,other=60rpm`."""
    ai_patience: float = Field(default=3_600.0, ge=1)
    """Seconds that a task may come too early for its model before it FAILS."""
    smtp_url: SecretStr | None = None
    """`smtp://`, `smtp+starttls://` or `smtps://`, with `user:password@` where needed; unset: mails fail."""
    mail_from: str = "taskrunner@localhost"
    """The sender of mails."""
    storage_dir: Path = Path(".taskrunner/files")
    """Where files are kept; the API and all workers must share it."""
    max_upload_mb: int = Field(default=100, ge=1, le=100_000)
    """The largest upload, in MiB."""
    outbound_allow: Names = ()
    """Hosts (`host` or `host:port`) that an image URL or a callback may reach though http or not public."""

    worker_health_port: Port | None = None
    """Where a worker answers `/health/live`, `/health/ready`, `/health` and `/metrics`; unset: nowhere."""
    worker_health_host: str = "127.0.0.1"
    """The address for that port."""
    expected_workers: int | None = Field(default=None, ge=0)
    """Shown beside the workers seen at `/health` and in `/metrics`, and checked by `taskrunner doctor`."""
    metrics_public: bool = False
    """Lets everybody read `/health` and `/metrics` of the API without a key."""
    cors_origins: Names = ()
    """Origins of web pages that may call the API; `*` for all."""
    log_format: Literal["console", "json"] = "console"
    """How log lines are written."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """The least severe line that is written."""

    @field_validator("queues", "task_modules", "outbound_allow", "cors_origins", mode="before")
    @classmethod
    def _split_names(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("queue_concurrency", mode="before")
    @classmethod
    def _split_pairs(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        pairs = [part.strip().rpartition("=") for part in value.split(",") if part.strip()]
        for name, _, count in pairs:
            if not QUEUE_NAME.fullmatch(name.strip()) or not count.strip().isdecimal():
                raise ValueError("write queue=count, as in ai_processing=16")
        return {name.strip(): int(count) for name, _, count in pairs}

    @field_validator("ai_limits", mode="before")
    @classmethod
    def _split_model_limits(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        pairs = [part.strip().rpartition("=") for part in value.split(",") if part.strip()]
        if not all(model for model, _, _ in pairs):
            raise ValueError("write model=60rpm/40000tpm")
        return {model.strip(): parse_model_limits(limits.strip()) for model, _, limits in pairs}

    @field_validator("queues")
    @classmethod
    def _queues_are_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("name at least one queue")
        for name in value:
            if not QUEUE_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is not a queue name (a-z, 0-9, _ and -, at most 63)")
        return tuple(dict.fromkeys(value))

    @field_validator("database_url", "redis_url", "redis_result_url", "smtp_url", "ai_base_url")
    @classmethod
    def _port_is_a_number(cls, value: SecretStr | str | None) -> SecretStr | str | None:
        url = value.get_secret_value() if isinstance(value, SecretStr) else value or ""
        # After the last @: a password may hold anything.
        port = PORT.search(url.partition("://")[2].rpartition("@")[2])
        if port is not None and not re.fullmatch(r"\d{0,5}", port.group(1)):
            raise ValueError("the port must be a number")
        return value

    @field_validator("database_url")
    @classmethod
    def _driver_is_asyncpg(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value().startswith("postgresql+asyncpg://"):
            raise ValueError("must start with postgresql+asyncpg://")
        return value

    @field_validator("redis_url", "redis_result_url")
    @classmethod
    def _is_redis(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("must start with redis://, rediss:// or unix://")
        if value is not None:
            _database_number(value.get_secret_value())
        return value

    @field_validator("ai_base_url")
    @classmethod
    def _is_http(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return value

    @field_validator("smtp_url")
    @classmethod
    def _is_smtp(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().startswith(("smtp://", "smtps://", "smtp+starttls://")):
            raise ValueError("must start with smtp://, smtps:// or smtp+starttls://")
        return value

    @cached_property
    def result_url(self) -> str:
        """Where progress, streams and result copies live: by default the next database number."""
        if self.redis_result_url is not None:
            return self.redis_result_url.get_secret_value()
        return _next_database(self.redis_url.get_secret_value())

    @property
    def max_upload_bytes(self) -> int:
        return self.max_upload_mb * 1_048_576


def _database_number(url: str) -> int:
    """The number as redis-py reads it: in the query, else in the path where that is no socket's."""
    parts = urlsplit(url)
    path = "" if parts.scheme == "unix" else parts.path.strip("/")
    number = dict(parse_qsl(parts.query)).get("db", path) or "0"
    if not number.isdecimal():
        raise ValueError("the database must be a number, as in redis://host:6379/0")
    return int(number)


def _next_database(url: str) -> str:
    base, _, query = url.partition("?")
    options, following = dict(parse_qsl(query)), _database_number(url) + 1
    if url.startswith("unix://") or "db" in options:
        return f"{base}?{urlencode({**options, 'db': following})}"
    return urlunsplit(urlsplit(url)._replace(path=f"/{following}"))


def load_settings(**overrides: Any) -> Settings:
    """Read the settings; ``overrides`` win over the environment.

    Raises:
        ConfigurationError: one line naming the variable and what is wrong with it.
    """
    try:
        return Settings(**overrides)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        name = str(first["loc"][0]).upper()
        variable = name if name in UNPREFIXED else f"TASKRUNNER_{name.removeprefix('TASKRUNNER_')}"
        raise ConfigurationError(f"{variable}: {first['msg'].removeprefix('Value error, ')}") from None
