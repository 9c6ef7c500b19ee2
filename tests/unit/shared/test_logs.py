"""Log lines: one JSON object each, whatever is logged; both logging systems in one format."""

from __future__ import annotations

import contextlib
import io
import json
import logging
from collections.abc import Iterator
from typing import Any, Literal

import pytest
import structlog
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from shared.logs import configure_logs, get_logger
from shared.settings import load_settings

SECRET = "s3cr3t-of-the-test"


@pytest.fixture
def stderr() -> Iterator[io.StringIO]:
    """What is written; the loggers of the test run are put back."""
    written = io.StringIO()
    root, levels = logging.root, {name: logging.getLogger(name).level for name in logging.root.manager.loggerDict}
    handlers, level = root.handlers[:], root.level
    yield written
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def configure(stderr: io.StringIO, form: Literal["json", "console"] = "json", level: str = "INFO") -> None:
    with contextlib.redirect_stderr(stderr):
        configure_logs(load_settings(_env_file=None, log_format=form, log_level=level, secret_key=SECRET))


def lines(written: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.getvalue().splitlines()]


@given(
    event=st.text(st.characters(exclude_categories=())),
    fact=st.text(st.characters(exclude_categories=())),
)
@hypothesis_settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_logged_is_one_line_of_json(stderr: io.StringIO, event: str, fact: str) -> None:
    stderr.seek(0)
    stderr.truncate()
    configure(stderr)
    get_logger("ours").info(event, fact=fact)
    logging.getLogger("theirs").warning("%s", fact)
    text = stderr.getvalue()
    assert text.count("\n") == 2
    assert text.endswith("\n")
    text.encode()
    ours, theirs = (json.loads(line) for line in text.split("\n")[:2])
    assert (ours["event"], ours["fact"], theirs["event"]) == (event, fact, fact)


FORGED = 'x\n{"event": "forged"}\r\x1b[2J\u2028\x85\x00'


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_input_can_forge_a_line_or_drive_the_terminal(stderr: io.StringIO, form: Literal["json", "console"]) -> None:
    configure(stderr, form)
    get_logger("ours").info(FORGED, fact=FORGED)
    logging.getLogger("theirs").warning("said %s", FORGED)
    text = stderr.getvalue()
    assert text.count("\n") == len(text.splitlines()) == 2
    assert not {"\r", "\x1b", "\x00"} & set(text)


@pytest.mark.parametrize("form", ["json", "console"])
def test_an_error_shows_code_and_no_value_of_any_frame(stderr: io.StringIO, form: Literal["json", "console"]) -> None:
    configure(stderr, form)
    key = SECRET
    try:
        int("no number" + key[:0])
    except ValueError:
        get_logger("ours").error("failed", exc_info=True)
        logging.getLogger("theirs").exception("failed too")
    text = stderr.getvalue()
    assert text.count("invalid literal") == 2
    assert SECRET not in text


@pytest.mark.parametrize("form", ["json", "console"])
def test_the_words_of_an_error_are_no_line_of_their_own(stderr: io.StringIO, form: Literal["json", "console"]) -> None:
    configure(stderr, form)
    error = ExceptionGroup(FORGED, [ValueError(FORGED)])
    error.add_note(FORGED)
    get_logger("ours").error("failed", exc_info=error)
    logging.getLogger("theirs").error("failed", exc_info=error)
    text = stderr.getvalue()
    assert not {"\r", "\x1b", "\x00", "\x85", "\u2028"} & set(text)
    whole = [line for line in text.split("\n") if line and not line.startswith("    ")]
    assert len(whole) == 2, whole
    assert text.count("forged") >= 2 * len(("group", "member", "note"))


QUOTED = {
    "a row": 'new row violates check constraint "x"\nDETAIL:  Failing row contains (1, {s}\n{s}).\nHINT:  {s}',
    "an argument": "invalid input for query argument $3: {s}\n (expected str, got dict)",
    "an input": "1 validation error for A\nb\n  wrong [type=x, input_value='{s}', input_type=str]",
}


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("name", QUOTED)
def test_no_value_that_an_error_quotes_is_logged(
    stderr: io.StringIO, form: Literal["json", "console"], name: str
) -> None:
    configure(stderr, form)
    words = QUOTED[name].replace("{s}", SECRET)
    error = RuntimeError("told on")
    error.__cause__ = ValueError(words)
    error.add_note(words)
    get_logger("ours").error("failed", exc_info=error)
    text = stderr.getvalue()
    assert "told on" in text
    assert "constraint" in text or "argument $3" in text or "validation error" in text
    assert SECRET not in text


def test_an_error_of_many_words_is_cut(stderr: io.StringIO) -> None:
    configure(stderr)
    get_logger("ours").error("failed", exc_info=ValueError("x" * 100_000))
    assert len(stderr.getvalue()) < 5_000


def test_context_appears_on_every_line_of_both_systems(stderr: io.StringIO) -> None:
    configure(stderr)
    with structlog.contextvars.bound_contextvars(task_id="t-1", attempt=2):
        get_logger("ours").info("started")
        logging.getLogger("theirs").warning("warned")
    get_logger("ours").info("later")
    first, second, third = lines(stderr)
    assert (first["task_id"], first["attempt"]) == (second["task_id"], second["attempt"]) == ("t-1", 2)
    assert "task_id" not in third


def test_both_systems_say_who_when_and_how_bad_in_the_same_words(stderr: io.StringIO) -> None:
    configure(stderr)
    get_logger("ours").warning("odd", fact=1)
    logging.getLogger("theirs").warning("odd")
    ours, theirs = lines(stderr)
    assert set(ours) - {"fact"} == set(theirs) == {"event", "level", "logger", "timestamp"}
    assert (ours["logger"], theirs["logger"]) == ("ours", "theirs")
    assert ours["level"] == theirs["level"] == "warning"
    assert ours["timestamp"].endswith("Z")
    assert theirs["timestamp"].endswith("Z")


def test_the_level_holds_for_both_and_noisy_libraries_stay_quiet(stderr: io.StringIO) -> None:
    configure(stderr, level="INFO")
    get_logger("ours").debug("no")
    logging.getLogger("theirs").debug("no")
    for noisy in ("httpx", "arq.worker", "asyncio", "alembic.runtime"):
        logging.getLogger(noisy).info("no")
    assert stderr.getvalue() == ""


def test_what_runs_us_writes_as_we_do(stderr: io.StringIO) -> None:
    for program in ("arq", "uvicorn"):
        theirs = logging.getLogger(program)
        theirs.addHandler(logging.StreamHandler(stderr))  # as their command lines do
        theirs.propagate = False
    configure(stderr)
    logging.getLogger("arq.worker").warning("a job\nfailed")
    logging.getLogger("uvicorn.error").error("a request failed")
    assert [line["event"] for line in lines(stderr)] == ["a job\nfailed", "a request failed"]


def test_configuring_twice_writes_each_line_once(stderr: io.StringIO) -> None:
    configure(stderr)
    configure(stderr)
    get_logger("ours").info("once")
    assert len(lines(stderr)) == 1


def test_a_value_that_is_no_json_is_shown_and_not_raised(stderr: io.StringIO) -> None:
    configure(stderr)
    get_logger("ours").info("odd", fact={1, 2}, error=ValueError("x"), number=float("nan"))
    assert stderr.getvalue().count("\n") == 1


def test_a_secret_setting_logged_whole_stays_masked(stderr: io.StringIO) -> None:
    settings = load_settings(_env_file=None, secret_key=SECRET, log_format="json")
    configure(stderr)
    get_logger("ours").info("settings", settings=settings, key=settings.secret_key)
    assert SECRET not in stderr.getvalue()
    assert len(lines(stderr)) == 1
