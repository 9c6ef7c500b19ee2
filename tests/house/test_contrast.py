"""The dashboard's colours beside each other, after WCAG 2.2: 4.5 to 1 for text (1.4.3), 3 to 1 for shapes (1.4.11)."""

from __future__ import annotations

import re

import pytest

from service.dashboard.files import FOLDER

STYLE = (FOLDER / "css" / "base.css").read_text(encoding="utf-8")
THEMES = {"light": ":root {", "dark": ':root[data-theme="dark"] {'}
TOKEN = re.compile(r"--([\w-]+): #([0-9a-f]{6});")
GROUNDS = ("ground", "surface", "sunken", "hover")
TONES = ("grey", "violet", "blue", "amber", "green", "red")
TEXT = [
    *((ink, ground) for ink in ("ink", "muted", "accent") for ground in (*GROUNDS, "accent-soft")),
    *((tone, ground) for tone in TONES for ground in (f"{tone}-soft", "surface", "sunken", "hover")),
    ("accent-ink", "accent"),
    ("surface", "red"),
]
SHAPES = [
    *((shape, ground) for shape in ("edge", "accent") for ground in GROUNDS),
    *((tone, ground) for tone in TONES for ground in ("surface", "hover")),
]


@pytest.fixture(params=THEMES, ids=str)
def colours(request: pytest.FixtureRequest) -> dict[str, str]:
    block = STYLE.partition(THEMES[request.param])[2].partition("}")[0]
    return dict(TOKEN.findall(block))


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def ratio(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def poor(colours: dict[str, str], pairs: list[tuple[str, str]], least: float) -> dict[str, float]:
    found = {f"{one} on {other}": round(ratio(colours[one], colours[other]), 2) for one, other in pairs}
    return {pair: contrast for pair, contrast in found.items() if contrast < least}


def test_the_ratio_is_that_of_the_guidelines() -> None:
    assert ratio("000000", "ffffff") == pytest.approx(21)
    assert ratio("777777", "ffffff") == pytest.approx(4.48, abs=0.01)


def test_text_can_be_read(colours: dict[str, str]) -> None:
    assert poor(colours, TEXT, 4.5) == {}


def test_shapes_can_be_told_from_what_lies_behind_them(colours: dict[str, str]) -> None:
    assert poor(colours, SHAPES, 3.0) == {}
