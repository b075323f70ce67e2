"""Compiles configuration and endpoints to one immutable snapshot of plain data."""
