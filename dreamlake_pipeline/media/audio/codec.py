"""When AAC can be kept, and how sound becomes AAC."""

from __future__ import annotations

from typing import Any

from ..containers.flow import LEAST_HOLE
from ..containers.probe import AudioTrack
from . import channels

# Sampling rates that are kept: an AAC frame lasts 32 ms at most, and every browser plays them.
_RATES = (32_000, 44_100, 48_000)
_BIT_RATES = {1: 96_000, 2: 160_000}
# Of FFmpeg's two searches for quantizers, by channels. At 96 kbit/s for one channel, `fast` comes nearer to the source
# (2 to 30 dB, speech and music) and takes a third of the time; at 80 kbit/s for each of two, `twoloop` is the better.
_CODERS = {1: "fast", 2: "twoloop"}

_HALF_FRAME = 512

# Silence where the source's times leave a hole, and nothing twice where they go back: sound stays where it was
# recorded. By itself, the filter lets pass what is below a tenth of a second.
FILL_GAPS = f"aresample=async=1:min_hard_comp={LEAST_HOLE}"

DAMAGED = "audio_damaged: a part of the sound can't be read"

# What of this decides about the bytes that come out; part of the recipe.
SETTINGS = {
    "rates": _RATES,
    "otherRates": "multiples",
    "bitRates": list(_BIT_RATES.values()),
    "coders": list(_CODERS.values()),
    "leastHole": LEAST_HOLE,
}


def audio_reasons(audio: AudioTrack) -> list[str]:
    """Why sound can't be kept as it is, each as `code: explanation`; empty when it can (docs/media.md, "Audio")."""
    reasons = []
    if audio.codec != "aac":
        reasons.append(f"audio_codec: {audio.codec} is not AAC")
    elif audio.profile != "LC":
        reasons.append(f"audio_profile: AAC {audio.profile} is not AAC-LC")
    if audio.codec == "aac" and not audio.flow.is_steady:
        reasons.append(f"audio_times: the sound {audio.flow.words()}")
    if audio.codec == "aac" and audio.flow.cuts:
        reasons.append("audio_edit_list: the file's edit list cuts sound away on the way")
    if audio.codec == "aac" and audio.flow.changes:
        reasons.append("audio_changes: the sound changes on the way")
    if (mixed := channels.reason(audio)) is not None:
        reasons.append(mixed)
    return reasons


def fill_gaps(audio: AudioTrack) -> list[str]:
    """The filter that keeps sound at its times, where it has any."""
    return [FILL_GAPS] if audio.is_timed else []


def output_rate(audio: AudioTrack) -> int:
    """The source's rate where it is kept; else a multiple or a part of it, so that no sound is lost below 20 kHz and
    the length comes out to the sample; else 48 kHz."""
    rate = audio.sample_rate
    if rate > _RATES[-1]:
        return 44_100 if rate % 44_100 == 0 else 48_000
    return next((kept for kept in _RATES if kept % rate == 0), 48_000)


def least_samples(audio: AudioTrack) -> int:
    """Samples of the source that make up half an AAC frame: what is shorter is padded, or nothing might come out."""
    return -(-_HALF_FRAME * audio.sample_rate // output_rate(audio))


def bit_rate(audio: AudioTrack) -> int:
    """Bits per second of sound that becomes AAC."""
    return _BIT_RATES[channels.output_channels(audio)]


def coder(audio: AudioTrack) -> str:
    """How FFmpeg's encoder looks for quantizers (its option `aac_coder`)."""
    return _CODERS[channels.output_channels(audio)]


def aac_options(audio: AudioTrack, *more: str) -> dict[str, Any]:
    """FFmpeg's own AAC-LC encoder, mono or stereo; `more` are filters behind those."""
    return {
        "c:a": "aac",
        "b:a": bit_rate(audio),
        "aac_coder": coder(audio),
        "ac": channels.output_channels(audio),
        "ar": output_rate(audio),
        "af": ",".join([*channels.as_played(audio), *fill_gaps(audio), *more]) or "anull",
        "flags:a": "+bitexact",
    }
