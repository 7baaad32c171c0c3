"""Sound files on disk: recognising, headers, decoding by libsndfile or FFmpeg."""
