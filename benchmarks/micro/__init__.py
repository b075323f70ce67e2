"""Single steps of the hot path, timed by pytest-benchmark."""
