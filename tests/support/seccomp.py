"""Makes epoll_ctl(2) fail, as where fs.epoll.max_user_watches is used up: for good."""

from __future__ import annotations

import ctypes
import errno
import platform
import struct

EPOLL_CTL = {"x86_64": 233, "aarch64": 21}.get(platform.machine(), -1)  # asm/unistd.h
EPOLL_CTL_ADD = 1
# linux/prctl.h, linux/seccomp.h, linux/bpf_common.h
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
RET_ALLOW, RET_ERRNO = 0x7FFF0000, 0x00050000
LOAD, IF_EQUAL, IF_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
NUMBER, OPERATION, DESCRIPTOR = 0, 24, 32  # offsets in struct seccomp_data


def refuse_watches_from(descriptor: int) -> bool:
    """Descriptors from this number on cannot be watched any more. False: not on this machine."""
    code = [
        (LOAD, 0, 0, NUMBER),
        (IF_EQUAL, 0, 5, EPOLL_CTL),
        (LOAD, 0, 0, OPERATION),
        (IF_EQUAL, 0, 3, EPOLL_CTL_ADD),
        (LOAD, 0, 0, DESCRIPTOR),
        (IF_LEAST, 0, 1, descriptor),
        (RETURN, 0, 0, RET_ERRNO | errno.ENOSPC),
        (RETURN, 0, 0, RET_ALLOW),
    ]
    text = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in code))
    program = struct.pack("@HP", len(code), ctypes.addressof(text))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    return EPOLL_CTL >= 0 and not (
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        or prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0)
    )
