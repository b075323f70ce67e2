"""A body far larger than any buffer passes a worker whose memory does not grow, either way."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from support import manifests
from support.proxy import MeshproxyRun

from benchmarks.transfer import MOST_GROWTH, transfer

MIB = 1 << 20
SIZE = 256 * MIB


@pytest.mark.parametrize("is_upload", [True, False], ids=["upload", "download"])
def test_large_chunked_body_to_a_slower_reader_leaves_memory_as_it_was(
    meshproxy_run: MeshproxyRun, tmp_path: Path, is_upload: bool
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as upstream:
        path = manifests.write(tmp_path, manifests.service("bench", upstream.getsockname()[1]))
        proxy = meshproxy_run(path)
        worker = proxy.workers()[0]
        transfer(proxy.port, upstream, worker, 8 * MIB, is_upload, slow_s=0)
        moved = transfer(proxy.port, upstream, worker, SIZE, is_upload, slow_s=0.5)
    assert moved.growth < MOST_GROWTH
