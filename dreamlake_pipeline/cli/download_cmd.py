"""`dreamlake download`: the raw bytes of a file, verified."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import AsJson, OptionalEpisode, What


def download(
    what: What,
    episode: OptionalEpisode = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File or directory to write to; by default, its own name here."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    as_json: AsJson = False,
) -> None:
    """Fetch a file as it was uploaded. It appears whole and verified (SHA-256), or not at all."""
    from ..client.lookup import find_file
    from ..errors import Code, DreamlakeError
    from ..names import split_name
    from .connection import connect
    from .output import print_json, say, show_bytes

    with connect() as lake:
        record = find_file(lake, what, episode)
        filename = split_name(record.name).filename
        target = output / filename if output is not None and output.is_dir() else output or Path(filename)
        if target.exists() and not force:
            raise DreamlakeError(Code.CONFLICT, f"{target} exists.", hint="Pass --force to replace it, or -o.")
        sha256 = lake.download(record, target)
    if as_json:
        print_json({"path": str(target), "id": record.id, "size": target.stat().st_size, "sha256": sha256})
    else:
        say(f"{target}  {show_bytes(target.stat().st_size)}  sha256 {sha256}")
