"""The one kind of error that is the user's to mend, and how a command ends with it."""

import errno
import sys


class UserError(Exception):
    """Bad input. Its text is one line that names the file, the key or the value, and what would be right.

    A command prints it without a traceback and exits with 2 (`guarded`); anything else that is raised is a bug.
    """


def guarded(function, *arguments):
    """Call `function`; on the user's error or the disk's, print one line and return 2, else return 0."""
    try:
        function(*arguments)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EFBIG):
            raise
        print(f"error: {error.filename or 'a file'}: {error.strerror}; nothing was left half-written", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: run the same command again to go on", file=sys.stderr)
        return 130
    return 0
