"""The report as a zip that can be handed on: its pages, and every file that they lead to, each with its SHA-256.

The files lie in it as they do here, below one folder, so that every link works there as it does here.
"""

import hashlib
import os
import re
import zipfile
from html import unescape
from pathlib import Path
from urllib.parse import unquote

from harness.errors import UserError
from harness.files import writing

FOLDER = "scan-report"
"""What everything in the zip lies below."""
SUMS = "SHA256SUMS"
TIME = (1980, 1, 1, 0, 0, 0)
"""Of every file, so that the same report is the same zip."""
MEND = "`make report` makes the pages of what there is"


def bundle(page, file):
    """Write the zip of a page, of the pages that it leads to, and of what these lead to. Returns how many files are in it.

    Raises UserError where a page leads to a file that is not there, that lies outside of the project, or that is no longer what
    the page shows.
    """
    contents = gathered(Path(page))
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in contents.items())
    with writing(file) as temporary, zipfile.ZipFile(temporary, "w") as packed:
        for name, content in {**contents, SUMS: sums.encode()}.items():
            entry = zipfile.ZipInfo(f"{FOLDER}/{name}", TIME)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            packed.writestr(entry, content)
    return len(contents)


def gathered(page):
    """{path: bytes} of the page and of every file that it leads to, in order of their paths."""
    contents, ahead = {}, [(page, "", None)]
    while ahead:
        path, shown, source = ahead.pop()
        if path.as_posix() not in contents:
            content = contents[path.as_posix()] = read(path, source)
            ahead += linked(path, content.decode()) if path.suffix == ".html" else []
        if not hashlib.sha256(contents[path.as_posix()]).hexdigest().startswith(shown):
            raise UserError(f"{path} is not what {source} shows of it: {MEND}")
    return dict(sorted(contents.items()))


def read(path, source):
    """The bytes of a file to which a page leads, None for the first one."""
    if path.is_absolute() or ".." in path.parts:
        raise UserError(f"{source} leads to {path}, which lies outside of the project")
    if not path.is_file():
        raise UserError(f"{f'{source} leads to ' if source else ''}{path}, which is not there: {MEND}")
    return path.read_bytes()


def linked(page, text):
    """(path from the project's folder, the start of the SHA-256 that the page shows of it, the page) of each file it leads to."""
    links = re.findall(r'<a [^>]*href="([^"#]+)[^"]*"[^>]*>'
                       r'(?:<code>(?:[^<]|<wbr>)*</code></a> <code class="hash">([0-9a-f]+))?', text)
    return [(Path(os.path.normpath(page.parent / unquote(unescape(link)))), shown, page)
            for link, shown in sorted(set(links)) if "://" not in link]
