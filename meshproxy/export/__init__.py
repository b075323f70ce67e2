"""A snapshot in the words of another proxy, so that a user can leave. So far: Envoy."""

from meshproxy.export.envoy import Export, export_envoy

__all__ = ["Export", "export_envoy"]
