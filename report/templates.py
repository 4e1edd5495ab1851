"""Pages from their templates. A page holds its style, so that it can be moved about by itself."""

import re
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from harness.files import write_text

HERE = Path(__file__).parent


def write_page(template, file, **values):
    """Render report/<template> with some values into `file`. Raises jinja2.UndefinedError for a value that is not given."""
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(HERE), autoescape=True, trim_blocks=True,
                                     lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    environment.filters |= {"breakable": breakable, "minus": minus}
    environment.globals |= {"verdict": verdict, "style": Markup((HERE / "style.css").read_text()),
                            "script": Markup((HERE / "page.js").read_text())}
    write_text(file, environment.get_template(template).render(values))


def breakable(text):
    """Text as HTML, in which a narrow column breaks a name like `scan.entropy_over` between its words, a path after a slash."""
    return Markup(re.sub(r"(?<=[a-z])[._](?=[a-z])|/", r"\g<0><wbr>", str(escape(text))))


def minus(text):
    """Text with a minus sign in the place of the hyphen before a number; `0-3`, a seed, and `CIFAR-10` keep theirs."""
    return re.sub(r"(?<![\w-])-(?=\d)", "−", text)


def verdict(word):
    """The word of a verdict in its colour."""
    return Markup('<span class="verdict {}">{}</span>').format(word.replace(" ", "-"), word)
