"""Validates HLS as it is published: playlists, segments, their joins, WebVTT beside them.

It knows nothing of how they were made: it reads the texts and the bytes that a player gets, by readers of its own.
"must" rules are those of RFC 8216, of MPEG-TS (ISO/IEC 13818-1), and of this project (VOD without discontinuities,
H.264 of at most High profile, AAC-LC, segments named by their hash); a "should" rule is good practice. docs/media.md
lists them.
"""
