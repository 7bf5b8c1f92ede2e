"""BSS, the binary storage service: uploads, records, the processing queue, playback."""
