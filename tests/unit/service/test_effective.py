"""What of the settings is shown: everything but what would open a door."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import SecretStr

from service.effective import effective, variable_of
from shared.settings import Settings

WORD = st.text("abcdefghijkmnopqrstuvwxyz0123456789:/@?#%", min_size=12, max_size=30).map(lambda text: f"S3CRET{text}")

no_deadline = hypothesis_settings(deadline=None)
PLAIN = Settings(_env_file=None)


def shown(**settings: object) -> dict[str, object]:
    return effective(Settings(_env_file=None, **settings))  # type: ignore[arg-type]


def test_every_setting_is_there_under_its_variable() -> None:
    assert set(shown()) == {variable_of(name) for name in Settings.model_fields}
    json.dumps(shown())


def test_an_address_is_shown_without_who_may_use_it() -> None:
    found = shown(
        database_url="postgresql+asyncpg://me:pass@db.example:5433/jobs?ssl=secret",
        redis_url="redis://:pass@[::1]:6380/3",
        smtp_url="smtps://u:p@mail.example",
        ai_base_url="https://key:pass@ai.example/v1?token=x",
    )
    assert found["DATABASE_URL"] == "postgresql+asyncpg://********@db.example:5433/jobs"
    assert found["REDIS_URL"] == "redis://********@[::1]:6380/3"
    assert found["REDIS_RESULT_URL"] == "redis://********@[::1]:6380/4"
    assert found["TASKRUNNER_SMTP_URL"] == "smtps://********@mail.example"
    assert found["TASKRUNNER_AI_BASE_URL"] == "https://********@ai.example/v1"


@given(WORD)
@no_deadline
def test_no_secret_is_ever_shown(secret: str) -> None:
    settings = PLAIN.model_copy(
        update={"secret_key": SecretStr(secret), "ai_api_key": SecretStr(secret), "bootstrap_key": SecretStr(secret)}
    )
    assert "S3CRET" not in json.dumps(effective(settings))


@given(WORD)
@no_deadline
def test_no_password_of_an_address_is_ever_shown(password: str) -> None:
    for url in (f"postgresql://me:{password}S3CRET@db/x", f"postgresql://db/x?password={password}S3CRET"):
        settings = PLAIN.model_copy(update={"database_url": SecretStr(url)})
        assert "S3CRET" not in str(effective(settings)["DATABASE_URL"])
