"""A small mutator: edits, splices and words of the grammar; keeps inputs whose verdict is new."""

from __future__ import annotations

import random
from collections.abc import Hashable

WORDS = [
    *(bytes([code]) for code in (0, 9, 10, 11, 12, 13, 27, 32, 127, 128, 255)),
    *(b":", b";", b",", b"/", b"?", b"#", b"@", b"[", b"]", b"%", b'"', b"\\", b"=", b"-", b"+"),
    *(
        b"\r\n",
        b"\n\r",
        b"\r\r\n",
        b"\r\n\r\n",
        b"\r\n ",
        b"\r\n\t",
        b" HTTP/1.1\r\n",
        b"HTTP/1.0",
    ),
    *(b"Host: b\r\n", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"chunked"),
    *(
        b"Connection: close\r\n",
        b"Connection: host, x\r\n",
        b"Upgrade: h2c\r\n",
        b"TE: trailers\r\n",
    ),
    *(
        b"0\r\n\r\n",
        b"5\r\nhello\r\n",
        b"ffffffffffffffff",
        b"http://b",
        b"OPTIONS *",
        b"CONNECT ",
    ),
    *(b"18446744073709551616", b"9223372036854775808", b"4294967296", b"65536", b"100", b"204"),
    *(b"x-envoy-max-retries: 1\r\n", b"x-request-id:\r\n", b"Expect: 100-continue\r\n"),
]
MAX_LEN = 4096


class Mutator:
    """Gives inputs made from the pool; the pool grows by what gave a verdict not seen before."""

    def __init__(self, pool: list[bytes], chance: random.Random) -> None:
        self.pool = list(pool)
        self.chance = chance
        self.seen: set[Hashable] = set()
        self.fresh = list(pool)  # each seed is run once as it is

    def next(self) -> bytes:
        if self.fresh:
            return self.fresh.pop()
        data = self.chance.choice(self.pool)
        for _ in range(self.chance.choice((1, 1, 2, 3, 6))):
            data = self.edit(data)
        return data[:MAX_LEN]

    def edit(self, data: bytes) -> bytes:
        chance = self.chance
        at = chance.randrange(len(data) + 1)
        width = chance.choice((1, 1, 2, 4, 16, 64))
        kind = chance.randrange(7)
        if kind == 0:
            return data[:at] + chance.choice(WORDS) + data[at:]
        if kind == 1:
            word = chance.choice(WORDS)
            return data[:at] + word + data[at + len(word) :]
        if kind == 2:
            return data[:at] + data[at + width :]
        if kind == 3:
            return data[: at + width] + data[at:]
        if kind == 4:
            return data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]
        if kind == 5 and at < len(data):
            return data[:at] + bytes([data[at] ^ (1 << chance.randrange(8))]) + data[at + 1 :]
        other = chance.choice(self.pool)
        return data[:at] + other[chance.randrange(len(other) + 1) :]

    def learn(self, data: bytes, verdict: Hashable) -> None:
        if verdict not in self.seen and len(self.pool) < 5000:
            self.seen.add(verdict)
            self.pool.append(data)
