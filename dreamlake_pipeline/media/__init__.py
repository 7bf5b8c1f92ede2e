"""File in, files out: probing, HLS, audio, text tracks, label tracks, and the one place that runs ffmpeg."""
