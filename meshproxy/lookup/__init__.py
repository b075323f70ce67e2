"""Looks DNS names up and keeps what they resolve to current. Never in a worker."""
