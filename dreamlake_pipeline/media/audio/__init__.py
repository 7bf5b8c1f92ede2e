"""An audio file in; AAC in HLS, loudness and waveform out."""
