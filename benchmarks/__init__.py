"""Measurements of meshproxy beside its peers: `python -m benchmarks.compare`."""
