"""How a command ends that is not done: with an error that is the user's to mend, or out of time."""

import contextlib
import errno
import os
import signal
import sys

GO_ON = 75
"""Exit code of a stage that has had its time: EX_TEMPFAIL of sysexits.h, "try again later"."""


class UserError(Exception):
    """Bad input. Its text is one line that names the file, the key or the value, and what would be right.

    A command prints it without a traceback and exits with 2 (`guarded`); anything else that is raised is a bug.
    """


class OutOfTime(Exception):
    """A stage has had its time (execution.stop_after, or a signal) and saved itself: the same command goes on from there.

    A command prints it and exits with GO_ON.
    """


@contextlib.contextmanager
def told_to_stop():
    """Yield a list, to which a signal adds itself: SIGTERM, and SIGUSR1, by which a cluster warns of the end of a job's time."""
    told = []
    before = {number: signal.signal(number, lambda number, _: told.append(number)) for number in (signal.SIGTERM, signal.SIGUSR1)}
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EFBIG)
OF_A_PATH = (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG)


def guarded(function, *arguments, **named):
    """Call `function`; on the user's error, the disk's or a wrong path's, print one line and return 2, where it is out of time
    GO_ON, else 0."""
    try:
        function(*arguments, **named)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OutOfTime as stopped:
        print(f"{stopped}: run the same command again to go on", file=sys.stderr)
        return GO_ON
    except BrokenPipeError:  # of `| head`, which has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the interpreter complains of it at its end, too
        return 141  # as a command that is ended by SIGPIPE
    except OSError as error:
        if error.errno not in (*OF_THE_DISK, *OF_A_PATH):
            raise
        file = error.filename2 or error.filename or "a file"
        print(f"error: {file}: {error.strerror}; nothing was left half-written", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: run the same command again to go on", file=sys.stderr)
        return 130
    return 0
