"""Images: the facts of every format, a description where a model can see, and Fatal for what is no image."""

from __future__ import annotations

import contextlib
import json
import zlib
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from shared.domain.errors import Fatal, FileMissing
from shared.tasks.image_analysis import USUAL_QUESTION, ImageInput, ImageOutput, image_analysis
from shared.tasks.imaging.decoding import ImageRefused
from shared.testing import FakeRun
from tests.support import samples

MAKE, MODEL, EXPOSURE = 0x010F, 0x0110, 0x829A


def analyse(run: FakeRun, content: bytes, **given: Any) -> ImageOutput:
    stored = run.files.put("picture", content, "application/octet-stream")
    result = image_analysis(run, ImageInput(file_id=stored.id, **given))
    assert isinstance(result, ImageOutput)
    json.dumps(result.model_dump(mode="json"), allow_nan=False)
    return result


def distance(one: str, other: str) -> int:
    return (int(one, 16) ^ int(other, 16)).bit_count()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "PPM"])
def test_every_known_format_is_read(run: FakeRun, kind: str) -> None:
    content = samples.image(kind, (64, 48))
    result = analyse(run, content)
    assert (result.format, result.width, result.height, result.size_bytes) == (kind, 64, 48, len(content))
    assert len(result.perceptual_hash) == 16


@pytest.mark.parametrize(
    ("mode", "colour", "shown"),
    [
        ("L", 128, "#808080"),
        ("1", 1, "#ffffff"),
        ("RGBA", (255, 0, 0, 255), "#ff0000"),
        ("LA", (64, 255), "#404040"),
        ("CMYK", (0, 0, 0, 0), "#ffffff"),
        ("I;16", 0x8000, "#808080"),
        ("I", 0x4000, "#404040"),
        ("F", 0.5, "#000000"),
    ],
)
def test_every_pixel_format_has_its_colour(run: FakeRun, mode: str, colour: Any, shown: str) -> None:
    result = analyse(run, samples.image("TIFF", mode=mode, colour=colour))
    assert result.mode == mode
    assert [(c.color, c.share) for c in result.dominant_colors] == [(shown, 1.0)]


def test_dominant_colours_come_with_their_shares_largest_first(run: FakeRun) -> None:
    colours = analyse(run, samples.split_image("#ff0000", "#0000ff", share=0.75)).dominant_colors
    assert [(c.color, c.share) for c in colours] == [("#ff0000", 0.75), ("#0000ff", 0.25)]


def test_a_busy_picture_has_five_dominant_colours(run: FakeRun) -> None:
    colours = analyse(run, samples.gradient()).dominant_colors
    assert len(colours) == 5
    assert [c.share for c in colours] == sorted((c.share for c in colours), reverse=True)
    assert sum(c.share for c in colours) <= 1


def test_what_is_transparent_has_no_colour(run: FakeRun) -> None:
    assert analyse(run, samples.image(mode="RGBA", colour=(255, 0, 0, 0))).dominant_colors == []


def test_of_several_frames_the_first_counts(run: FakeRun) -> None:
    colours = analyse(run, samples.animated_gif(["#ff0000", "#00ff00"])).dominant_colors
    assert colours[0].color == "#ff0000"


def test_similar_images_have_similar_hashes_and_mirrored_ones_opposite(run: FakeRun) -> None:
    darkening = analyse(run, samples.gradient()).perceptual_hash
    same_smaller = analyse(run, samples.gradient("JPEG", (300, 200), quality=60)).perceptual_hash
    brightening = analyse(run, samples.gradient(turn=-90)).perceptual_hash
    assert distance(darkening, same_smaller) <= 4
    assert distance(darkening, brightening) >= 60


def test_exif_is_named_and_plain(run: FakeRun) -> None:
    block = Image.Exif()
    block[MAKE] = "Acme\x00\x00"
    block[MODEL] = "line\nbreak"
    block[0x9999] = "unnamed"
    block.get_ifd(0x8769)[EXPOSURE] = 0.004
    block.get_ifd(0x8769)[0x927C] = b"\x00\x01opaque"
    block.get_ifd(0x8825)[1] = "N"
    block.get_ifd(0x8825)[2] = (52.0, 30.5, 0.0)
    exif = analyse(run, samples.gradient("JPEG", exif=block)).exif
    assert exif["Make"] == "Acme"
    assert exif["ExposureTime"] == 0.004
    assert exif["0x9999"] == "unnamed"
    assert exif["GPSLatitudeRef"] == "N"
    assert exif["GPSLatitude"] == [52.0, 30.5, 0.0]
    assert not {"Model", "MakerNote", "ExifOffset", "GPSInfo"} & exif.keys()


def test_exif_is_bounded(run: FakeRun) -> None:
    many = {0xC000 + n: "x" * 200 for n in range(150)} | {MAKE: "y" * 5_000}
    exif = analyse(run, samples.image("JPEG", exif=many)).exif
    assert len(exif) == 100
    assert exif["Make"] == "y" * 499 + "…"


@pytest.mark.parametrize(
    "number", [(1, 0), float("inf"), float("nan"), 2**31], ids=["zero denominator", "inf", "nan", "large"]
)
def test_exif_numbers_are_finite(run: FakeRun, number: Any) -> None:
    analyse(run, samples.image("TIFF", exif={0xC000: number}))


HOSTILE = {
    "nothing": b"",
    "a text": b"hello, world",
    "an EPS, which would start Ghostscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n",
    "an SVG": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "a PNG cut short": samples.gradient()[:-200],
    "a JPEG cut short": samples.gradient("JPEG")[:-200],
    "a PNG of 4 gigapixels": samples.png_claiming(65_535, 65_535),
    "a PNG of 100 megapixels": samples.png_claiming(10_000, 10_000),
    "a PNG just above the cap": samples.png_claiming(50_000, 1_001),
    "a PNG whose pixels are missing": samples.png_claiming(100, 100),
    "a PNG of no width": samples.png_claiming(0, 100),
    "a PNG whose text unpacks to 64 MiB": samples.png_with(b"zTXt", b"k\0\0" + zlib.compress(bytes(2**26), 9)),
    "a GIF that is a page": b"GIF89a/*<script>alert(1)</script>*/=1;",
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_what_cannot_be_read_as_an_image_is_fatal(run: FakeRun, content: bytes) -> None:
    with pytest.raises(Fatal) as refused:
        analyse(run, content)
    assert refused.value.code == "image_refused"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM"])
@given(data=st.data())
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_damage_anywhere_gives_an_answer_or_a_fatal_error(run: FakeRun, kind: str, data: st.DataObject) -> None:
    content = bytearray(samples.image(kind, (12, 9), exif={MAKE: "Acme"} if kind in {"PNG", "JPEG", "TIFF"} else None))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ImageRefused):
        analyse(run, bytes(content))


def test_without_vision_there_is_no_description_and_an_unanswered_question_is_logged(run: FakeRun) -> None:
    assert analyse(run, samples.image()).description is None
    assert run.log.events == []
    assert analyse(run, samples.image(), question="What is it?").description is None
    assert run.log.events == ["question_not_asked"]
    assert run.ai.asked == []


@pytest.mark.parametrize(("question", "asked"), [(None, USUAL_QUESTION), ("What is it?", "What is it?")])
def test_with_vision_the_model_is_asked(run: FakeRun, question: str | None, asked: str) -> None:
    run.ai.has_vision = True
    result = analyse(run, samples.image("JPEG"), question=question, model="eye-1")
    assert result.description == "Hello, world"
    (call,) = run.ai.asked
    assert (call["media_type"], call["question"], call["model"]) == ("image/jpeg", asked, "eye-1")


def test_an_image_may_come_from_a_url(run: FakeRun) -> None:
    run.files.downloads["https://example.com/a.png"] = samples.image(size=(5, 4))
    result = image_analysis(run, ImageInput(url="https://example.com/a.png"))
    assert (result.width, result.height) == (5, 4)
    assert run.files.fetched == [("https://example.com/a.png", 33_554_432)]


def test_a_url_that_does_not_answer_may_be_tried_again(run: FakeRun) -> None:
    with pytest.raises(ConnectionError):
        image_analysis(run, ImageInput(url="https://example.com/gone.png"))


def test_an_unknown_file_is_missing(run: FakeRun) -> None:
    with pytest.raises(FileMissing):
        image_analysis(run, ImageInput(file_id=uuid4()))


@pytest.mark.parametrize(
    "given_input",
    [
        {},
        {"file_id": str(uuid4()), "url": "https://example.com/a.png"},
        {"url": "file:///etc/passwd"},
        {"url": "https://exa mple.com/"},
        {"url": "https://" + "a" * 2_048},
        {"url": "https://example.com/a.png", "question": ""},
    ],
)
def test_input_out_of_bounds_is_refused(given_input: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ImageInput.model_validate(given_input)
