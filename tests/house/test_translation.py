"""The two READMEs say the same: sections, blocks, links, tables, names; and their figures are measured ones."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from tests.house.pages import INLINE, Page, page

ENGLISH, CHINESE = page("README.md"), page("README.zh-CN.md")
LEVELS = re.compile(r"^(#+) ", re.MULTILINE)
ITEMS = re.compile(r"^- ", re.MULTILINE)
HAN = re.compile(r"[\u4e00-\u9fff]")
FIGURE = re.compile(r"\d+,?\d+")


def sections(of: Page) -> list[str]:
    """The prose between headings, code left out."""
    return re.split(r"^#+ ", INLINE.sub("", of.prose), flags=re.MULTILINE)[1:]


def test_each_leads_to_the_other() -> None:
    assert ENGLISH.links[0] == CHINESE.path.name
    assert CHINESE.links[0] == ENGLISH.path.name


def test_both_have_the_same_sections() -> None:
    assert LEVELS.findall(CHINESE.prose) == LEVELS.findall(ENGLISH.prose)
    assert [len(ITEMS.findall(one)) for one in sections(CHINESE)] == [
        len(ITEMS.findall(one)) for one in sections(ENGLISH)
    ]


def test_both_have_the_same_blocks() -> None:
    assert CHINESE.blocks == ENGLISH.blocks


def test_both_lead_to_the_same_places_and_show_the_same_pictures() -> None:
    assert Counter(CHINESE.links[1:]) == Counter(ENGLISH.links[1:])


def test_both_name_the_same_things() -> None:
    assert Counter(INLINE.findall(CHINESE.prose)) == Counter(INLINE.findall(ENGLISH.prose))


def test_both_have_the_same_tables() -> None:
    english, chinese = list(ENGLISH.rows), list(CHINESE.rows)
    assert [len(row) for row in chinese] == [len(row) for row in english]
    for ours, theirs in zip(english, chinese, strict=True):
        assert [INLINE.findall(cell) for cell in theirs] == [INLINE.findall(cell) for cell in ours]
        assert [FIGURE.findall(cell) for cell in theirs] == [FIGURE.findall(cell) for cell in ours]


def test_every_section_is_translated() -> None:
    for section in sections(CHINESE)[1:]:
        assert HAN.search(section.partition("\n")[0]), section
    assert len(HAN.findall(CHINESE.prose)) > 1_000
    assert HAN.findall(ENGLISH.prose) == list("简体中文")


def rows_of(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]


@pytest.mark.parametrize("of", [ENGLISH, CHINESE], ids=["english", "chinese"])
def test_the_figures_are_those_that_were_measured(of: Page) -> None:
    """The first rows of the table stand in benchmarks/RESULTS.md, the others in docs/reliability.md: write them anew
    when those are."""
    [post, finished, killed, flushed] = [row for row in of.rows if len(row) == 4][1:]
    results = page("benchmarks/RESULTS.md").text.partition("## As whole services")[2]
    measured = {row[0]: row for row in rows_of(results) if len(row) == 9}
    services = [measured[name] for name in ("ours", "FastAPI + Celery", "FastAPI + arq")]
    assert post[1:] == [row[1].partition(" ")[0] for row in services]
    assert finished[1:] == [row[5].partition(" ")[0] for row in services]
    recovered = {row[0]: row[1:] for row in page("docs/reliability.md").rows if len(row) == 6}
    assert FIGURE.findall(killed[1]) == FIGURE.findall(recovered["this service"][0].rpartition("after")[2])
    for place, name in ((2, "Celery"), (3, "arq")):
        assert recovered[name][0].endswith("not within 120 s")
        assert "120" in killed[place]
        assert "2,000" in flushed[place]
        assert recovered[name][1].startswith("2,000 of 2,000 lost")
