"""The command `phosphene`, and `python -m phosphene`: the command line, and what becomes of Ctrl-C before and after it.

Importing the command line takes long enough for Ctrl-C to come meanwhile, and so does the end of Python after it: a
second where torch was imported, in which Ctrl-C would leave tracebacks.
"""

import os
import signal
import sys

INTERRUPTED = 130


def main() -> int:
    """Run the command line; return its exit status, or end at once where it was interrupted."""
    try:
        from phosphene.pipeline.app.cli import main as command_line

        status = command_line()
    except KeyboardInterrupt:
        sys.stderr.write("phosphene: interrupted; run it again to go on\n")
        status = INTERRUPTED
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if status == INTERRUPTED:
        sys.stdout.flush()
        sys.stderr.flush()
        # Workers are ended and files are whole; tidying memory up would keep somebody waiting.
        os._exit(status)
    return status


if __name__ == "__main__":
    sys.exit(main())
