"""Becomes a command that gets TERM when the process that started it dies, however it dies.

python -I -S leash.py PARENT_PID COMMAND ARGS...
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # prctl(2); kept by exec

if __name__ == "__main__":
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() == int(sys.argv[1]):  # else it died before the line above
        os.execv(sys.argv[2], sys.argv[2:])
