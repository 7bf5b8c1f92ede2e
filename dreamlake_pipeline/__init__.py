"""Directories of video, audio, subtitles and labels: stored once, playable, described and findable."""

__version__ = "0.1.0"
