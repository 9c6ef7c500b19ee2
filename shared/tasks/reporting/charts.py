"""Horizontal bar charts as inline SVG: no script, no font, colours by CSS class. Pure: values in, markup out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 720
LABEL_WIDTH = 210
VALUE_WIDTH = 90
BAR_HEIGHT = 18
ROW_HEIGHT = 30
LONGEST_LABEL = 28


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a bar; ``tone`` is the CSS class that colours it."""

    name: str
    value: float
    tone: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of a chart; its length is the sum of its segments."""

    label: str
    segments: tuple[Segment, ...]
    text: str

    @property
    def total(self) -> float:
        return sum(segment.value for segment in self.segments)


def bar_chart(title: str, bars: Sequence[Bar]) -> str:
    """The bars as one ``<svg>``, the longest spanning its width. The text beside each bar says its value."""
    longest = max((bar.total for bar in bars), default=0.0) or 1.0
    rows = "".join(_row(bar, index * ROW_HEIGHT, longest) for index, bar in enumerate(bars))
    height = max(len(bars), 1) * ROW_HEIGHT
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}" '
        f'xmlns="http://www.w3.org/2000/svg">{rows}</svg>'
    )


def _row(bar: Bar, top: int, longest: float) -> str:
    middle = top + ROW_HEIGHT / 2
    short = bar.label if len(bar.label) <= LONGEST_LABEL else bar.label[: LONGEST_LABEL - 1] + "…"
    label = f"{escape(short)}<title>{escape(bar.label)}</title>"
    parts = [f'<text class="label" x="{LABEL_WIDTH - 10}" y="{middle:g}">{label}</text>']
    x = float(LABEL_WIDTH)
    for segment in bar.segments:
        if segment.value > 0:
            width = segment.value / longest * (WIDTH - LABEL_WIDTH - VALUE_WIDTH)
            parts.append(
                f'<rect class="{escape(segment.tone)}" x="{x:.1f}" y="{top + (ROW_HEIGHT - BAR_HEIGHT) / 2:g}" '
                f'width="{width:.1f}" height="{BAR_HEIGHT}" rx="2">'
                f"<title>{escape(bar.label)}: {segment.value:g} {escape(segment.name)}</title></rect>"
            )
            x += width
    parts.append(f'<text class="value" x="{x + 8:.1f}" y="{middle:g}">{escape(bar.text)}</text>')
    return "".join(parts)
