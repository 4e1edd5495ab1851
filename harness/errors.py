"""The one kind of error that is the user's to mend."""


class UserError(Exception):
    """Bad input. Its text is one line that names the file, the key or the value, and what would be right.

    The command line prints it without a traceback and exits with 2; anything else that is raised is a bug.
    """
