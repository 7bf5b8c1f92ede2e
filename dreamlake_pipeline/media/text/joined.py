"""WebVTT files that were joined, as a downloader does with the subtitle segments of a stream: one clock for all.

RFC 8216 3.5: the cue time LOCAL of a segment's X-TIMESTAMP-MAP is the time MPEGTS of the media, in ticks of 90 kHz and
33 bits. A cue that overlaps several segments is in each of them.
"""

from __future__ import annotations

from ... import webvtt
from .cues import Cue, Section, Track

_TICKS_PER_MS = 90
_WRAP = 2**33


def put_on_one_clock(track: Track) -> None:
    """Move the cues of each section to the clock of the first one, and take those once that sections share.

    The first map's LOCAL becomes time 0, unless cues stand before it. Warnings say what was done.
    """
    sections = track.sections
    if any(section.mpegts is not None for section in sections):
        offsets = _offsets(sections)
        starts = [cue.start + offsets[cue.section] for cue in track.cues]
        if starts and min(starts) < 0:  # the first map's LOCAL is not where the media begins
            offsets = [offset + (sections[0].local or 0) for offset in offsets]
        _move(track, offsets)
        _warn_of_maps(track, offsets)
    elif len(sections) > 1:
        track.warnings.append(
            f"The file is {len(sections)} WebVTT files, one behind the other ({_lines_of(sections)}), without "
            "X-TIMESTAMP-MAP: times were kept as they stand."
        )
    if len(sections) > 1:
        _merge_shared(track)


def _offsets(sections: list[Section]) -> list[int]:
    """What to add to the cue times of each section, in milliseconds; one without a map counts as that before it."""
    ticks = next(section.mpegts for section in sections if section.mpegts is not None)
    passed = 0  # since the first map
    offsets: list[int] = []
    for section in sections:
        if section.mpegts is None or section.local is None:
            offsets.append(offsets[-1] if offsets else 0)
            continue
        # The nearest time to the one before, whatever the number of wraps in between.
        passed += (section.mpegts - ticks + _WRAP // 2) % _WRAP - _WRAP // 2
        ticks = section.mpegts
        offsets.append(round(passed / _TICKS_PER_MS) - section.local)
    return offsets


def _move(track: Track, offsets: list[int]) -> None:
    kept = []
    for cue in track.cues:
        offset = offsets[cue.section]
        if offset:
            cue.start += offset
            cue.end += offset
            cue.payload = [webvtt.move_time_tags(line, offset) for line in cue.payload]
        if cue.start < 0:
            track.bad.add(cue.line, "By its section's X-TIMESTAMP-MAP, the cue starts before the first section does.")
        else:
            kept.append(cue)
    track.cues = kept


def _warn_of_maps(track: Track, offsets: list[int]) -> None:
    sections = track.sections
    if len(sections) > 1:
        track.warnings.append(
            f"The file is {len(sections)} WebVTT segments, one behind the other ({_lines_of(sections)}): times were "
            "put on one clock by the X-TIMESTAMP-MAP of each, from that of the first on."
        )
    elif offsets[0]:
        local = webvtt.format_time(-offsets[0])
        track.warnings.append(
            f"X-TIMESTAMP-MAP was left out: its LOCAL time, {local}, was taken for the start of the media, and cue "
            "times were moved by that much."
        )
    else:
        track.warnings.append("X-TIMESTAMP-MAP was left out: cue times are read as times of the media.")


def _lines_of(sections: list[Section]) -> str:
    lines = [str(section.line) for section in sections]
    shown = lines if len(lines) <= 5 else [*lines[:4], "…"]
    return f"their headers are in lines {', '.join(shown)}"


def _merge_shared(track: Track) -> None:
    """Take a cue once that is in several sections, whole in each or cut where they meet."""
    last: dict[tuple[str, ...], Cue] = {}
    kept: list[Cue] = []
    for cue in track.cues:
        key = (cue.settings, *cue.payload)
        before = last.get(key)
        if before and before.section < cue.section and before.start <= cue.start <= before.end:
            before.end, before.section = max(before.end, cue.end), cue.section
            track.remarks.add("A cue that sections of the file share was taken once", cue.line)
        else:
            last[key] = cue
            kept.append(cue)
    track.cues = kept
