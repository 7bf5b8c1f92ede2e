"""When AAC can be kept, and how sound becomes AAC."""

from __future__ import annotations

from typing import Any

from .probe import AudioTrack

# Sampling rates that are kept; others become 48 kHz: an AAC frame then lasts 32 ms at most, and every browser plays it.
_RATES = {32_000, 44_100, 48_000}
_BIT_RATES = {1: "96k", 2: "160k"}

# Silence where the source's times leave a gap: sound stays where it was recorded.
FILL_GAPS = "aresample=async=1"

# What of this decides about the bytes that come out; part of the recipe.
SETTINGS = {"rates": sorted(_RATES), "bitRates": list(_BIT_RATES.values())}


def audio_reasons(audio: AudioTrack) -> list[str]:
    """Why sound can't be kept as it is, each as `code: explanation`; empty when it can (DESIGN 6)."""
    reasons = []
    if audio.codec != "aac":
        reasons.append(f"audio_codec: {audio.codec} is not AAC")
    elif audio.profile != "LC":
        reasons.append(f"audio_profile: AAC {audio.profile} is not AAC-LC")
    if audio.channels not in (1, 2):
        reasons.append(f"audio_channels: {audio.channels} channels become stereo")
    return reasons


def output_rate(audio: AudioTrack) -> int:
    return audio.sample_rate if audio.sample_rate in _RATES else 48_000


def output_channels(audio: AudioTrack) -> int:
    return min(audio.channels, 2)


def aac_options(audio: AudioTrack) -> dict[str, Any]:
    """FFmpeg's own AAC-LC encoder, mono or stereo; gaps in the source's times are filled with silence."""
    channels = output_channels(audio)
    return {
        "c:a": "aac",
        "b:a": _BIT_RATES[channels],
        "ac": channels,
        "ar": output_rate(audio),
        "af": FILL_GAPS,
        "flags:a": "+bitexact",
    }
