"""Real provider recordings, replayed through the public API and compared with what is on the wire."""
