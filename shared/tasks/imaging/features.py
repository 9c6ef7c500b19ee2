"""Dominant colours and a perceptual hash of a small RGBA image. Pure: pixels in, values out."""

from __future__ import annotations

from PIL import Image

PALETTE = 8
MOST_COLOURS = 5
OPAQUE_FROM = 128


def dominant_colours(sample: Image.Image) -> list[tuple[str, float]]:
    """Up to five ``("#rrggbb", share)``, largest first, by median cut; what is mostly transparent does not count."""
    pixels = sample.tobytes()
    visible = b"".join(pixels[i : i + 3] for i in range(0, len(pixels), 4) if pixels[i + 3] >= OPAQUE_FROM)
    total = len(visible) // 3
    if not total:
        return []
    quantized = Image.frombytes("RGB", (total, 1), visible).quantize(PALETTE, method=Image.Quantize.MEDIANCUT)
    palette = quantized.getpalette() or []
    shares: dict[str, int] = {}
    for count, index in quantized.getcolors() or []:
        if isinstance(index, int):
            red, green, blue = palette[3 * index : 3 * index + 3]
            name = f"#{red:02x}{green:02x}{blue:02x}"
            shares[name] = shares.get(name, 0) + count
    largest = sorted(shares.items(), key=lambda item: (-item[1], item[0]))[:MOST_COLOURS]
    return [(name, round(count / total, 4)) for name, count in largest]


def difference_hash(sample: Image.Image) -> str:
    """The 64-bit dHash as 16 hexadecimal digits; similar images differ in few bits.

    Source: Neal Krawetz, "Kind of Like That" (hackerfactor.com, 2013): shrink to 9 × 8 grey
    pixels; each bit says whether a pixel is brighter than its right neighbour. Transparency is white.
    """
    paper = Image.new("RGBA", sample.size, "white")
    paper.alpha_composite(sample)
    grey = paper.convert("L").resize((9, 8), Image.Resampling.BOX).tobytes()
    bits = 0
    for row in range(8):
        for column in range(8):
            at = row * 9 + column
            bits = bits << 1 | (grey[at] > grey[at + 1])
    return f"{bits:016x}"
