"""The proxies measured. One file each; configurations beside them."""

from __future__ import annotations

from benchmarks.peers.caddy import Caddy
from benchmarks.peers.envoy import Envoy
from benchmarks.peers.floor import Floor
from benchmarks.peers.haproxy import HAProxy, HAProxy28
from benchmarks.peers.meshproxy import Meshproxy
from benchmarks.peers.nginx import Nginx
from benchmarks.peers.peer import Peer
from benchmarks.peers.traefik import Traefik

PEERS: dict[str, Peer] = {
    peer.name: peer
    for peer in (
        *(Floor(), Nginx(), HAProxy(), HAProxy28(), Envoy(), Traefik(), Caddy(), Meshproxy()),
    )
}

__all__ = ["PEERS", "Peer"]
