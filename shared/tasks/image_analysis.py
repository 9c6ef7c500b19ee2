"""``image_analysis``: the facts of an image, and a description where the AI provider can see.

Owns input and result; decoding stands in ``imaging`` and is imported by the run alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from shared.domain.errors import describe
from shared.tasks import BlockingRun, TaskModel, task

LARGEST_DOWNLOAD = 33_554_432
USUAL_QUESTION = "Describe this image in one or two sentences."


class ImageInput(TaskModel):
    """Exactly one of ``file_id`` and ``url``."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"file_id": "0198c0de-0000-7000-8000-000000000001"},
                {"url": "https://example.com/cat.jpg", "question": "Which animal is this?"},
            ]
        }
    )

    file_id: UUID | None = Field(default=None, description="An uploaded image; or give url.")
    url: Annotated[str, Field(min_length=8, max_length=2_048, pattern=r"^https?://\S+$")] | None = Field(
        default=None, description="A public image of at most 32 MiB; or give file_id."
    )
    question: Annotated[str, Field(min_length=1, max_length=4_000)] | None = Field(
        default=None, description="What to ask about the image; by default it is described."
    )
    model: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        default=None, description="The vision model to ask; the worker's default where absent."
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.file_id is None) == (self.url is None):
            raise ValueError("give exactly one of file_id and url")
        return self


class Colour(TaskModel):
    """A colour and how much of the image it covers."""

    color: str = Field(pattern="^#[0-9a-f]{6}$", examples=["#1e90ff"], description="As in CSS.")
    share: float = Field(ge=0, le=1, description="Of the image, 0 to 1.")


class ImageOutput(TaskModel):
    """The facts of the image's first frame, as stored (EXIF rotation not applied)."""

    format: str = Field(examples=["JPEG"], description="As Pillow names it.")
    width: int = Field(description="Pixels.")
    height: int = Field(description="Pixels.")
    mode: str = Field(description="Pillow's name of the pixel format.", examples=["RGB"])
    size_bytes: int = Field(description="Of the file.")
    exif: dict[str, str | int | float | list[str | int | float]] = Field(
        description="By the names of the tags; empty where there is none."
    )
    dominant_colors: list[Colour] = Field(description="Up to five, largest first.")
    perceptual_hash: str = Field(description="64-bit dHash, 16 hexadecimal digits: similar images differ in few bits.")
    description: str | None = Field(
        default=None, description="The model's answer; null where the worker's model cannot see."
    )


@task(type="image_analysis", queue="ai_processing", timeout=180, max_attempts=4)
def image_analysis(run: BlockingRun, given: ImageInput) -> ImageOutput:
    """Read an image's format, size, EXIF, dominant colours and perceptual hash, and describe it where a model can see.

    At most 50 million pixels; of several frames, the first.

    Raises: FileMissing, OutboundRefused; Fatal: no image, damaged, or too large; what the AI provider raises.
    """
    # Pillow costs tens of milliseconds and megabytes: only the process that runs this pays.
    from shared.tasks.imaging.decoding import decode  # noqa: PLC0415
    from shared.tasks.imaging.features import difference_hash, dominant_colours  # noqa: PLC0415

    path = _source(run, given)
    run.progress(20, "decoding")
    image = decode(path)
    run.progress(60, f"{image.width} × {image.height} {image.format}")
    colours = [Colour(color=name, share=share) for name, share in dominant_colours(image.sample)]
    return ImageOutput(
        format=image.format,
        width=image.width,
        height=image.height,
        mode=image.mode,
        size_bytes=path.stat().st_size,
        exif=image.exif,
        dominant_colors=colours,
        perceptual_hash=difference_hash(image.sample),
        description=_description(run, given, path, image.media_type),
    )


def _source(run: BlockingRun, given: ImageInput) -> Path:
    if given.file_id is not None:
        return run.files.get(given.file_id).path
    run.progress(5, "downloading")
    return run.files.fetch(given.url or "", max_bytes=LARGEST_DOWNLOAD)


def _description(run: BlockingRun, given: ImageInput, path: Path, media_type: str) -> str | None:
    """What the model says; None without a model that can see."""
    if not run.ai.has_vision:
        if given.question is not None:
            run.log.warning("question_not_asked", reason="the AI provider has no vision")
        return None
    run.progress(80, "describing")
    answer = run.ai.describe_image(path, media_type, given.question or USUAL_QUESTION, model=given.model)
    return describe(answer.text, limit=100_000)
