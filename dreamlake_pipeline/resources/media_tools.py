"""How media work is done on this machine."""

from __future__ import annotations

from pathlib import Path

from dagster import ConfigurableResource
from pydantic import Field


class MediaToolsResource(ConfigurableResource):
    """ffmpeg itself is found by media/run/ffmpeg.py; its build is part of every recipe."""

    workers: int = Field(2, ge=1, description="Files of a batch that are processed side by side.")
    ladder: list[int] = Field(
        default=[], description="Heights of further, smaller streams of videos whose project does not name any."
    )
    scratch: str | None = Field(None, description="Folder for temporary files; the system's by default.")

    @property
    def scratch_folder(self) -> Path | None:
        return Path(self.scratch) if self.scratch else None
