"""Manifests to validated resources: parse, place, check. No sockets, nothing of `_fast`."""
