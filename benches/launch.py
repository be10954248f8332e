"""Runs a program and writes what it took: `python3 -I -S launch.py RESULT PROGRAM…`.

A process of its own, and a small one: the peak of memory that Linux tells of a program is at least that of who started it.
"""

import os
import sys
import time

begun = time.perf_counter()
child = os.fork()
if child == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
_, status, usage = os.wait4(child, 0)
seconds = time.perf_counter() - begun
with open(sys.argv[1], "w") as result:
    print(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, os.waitstatus_to_exitcode(status), file=result)
