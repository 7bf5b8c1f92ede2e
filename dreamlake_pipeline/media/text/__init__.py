"""Text in any encoding, and text tracks: SubRip or WebVTT in, clean WebVTT out, and the table that telemetry is."""
