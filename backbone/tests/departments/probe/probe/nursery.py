"""Forks probes on request: each is a process of its own, that need not import all again.

Reads lines from standard input: each starts one, whose process id it writes to standard output.
"""

import os
import sys

from city_backbone.runtime import main

from probe.bootstrap import ProbeSettings, bootstrap


def serve() -> None:
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            null = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(null, stream)
            main(ProbeSettings, bootstrap, "probe")
            os._exit(0)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    serve()
