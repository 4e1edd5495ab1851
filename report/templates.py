"""Pages from their templates. A page holds its style, so that it can be moved about by itself."""

import re
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from harness.files import write_text
from original_ref.checkout import COMMIT, REPOSITORY

HERE = Path(__file__).parent


def write_page(template, file, **values):
    """Render report/<template> with some values into `file`. Raises jinja2.UndefinedError for a value that is not given."""
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(HERE), autoescape=True, trim_blocks=True,
                                     lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    environment.filters |= {"breakable": breakable, "linked": linked, "minus": minus}
    environment.globals |= {"verdict": verdict, "style": Markup((HERE / "style.css").read_text()),
                            "script": Markup((HERE / "page.js").read_text())}
    write_text(file, environment.get_template(template).render(values))


def breakable(text):
    """Text as HTML, in which a narrow column breaks a name like `scan.entropy_over` between its words, a path after a slash."""
    return Markup(re.sub(r"(?<=[a-z])[._](?=[a-z])|/", r"\g<0><wbr>", str(escape(text))))


def linked(text):
    """Text as HTML, in which lines of the authors' code, like `scan.py:69, 130`, and their issues, like `issue 56`, are links."""
    def lines(found):
        file, numbers = found[1], found[2].split(", ")
        shown = [f"{file}:{numbers[0]}", *numbers[1:]]
        ends = ("-".join(f"L{number}" for number in each.split("-")) for each in numbers)
        return ", ".join(f'<a href="{REPOSITORY}/blob/{COMMIT}/{file}#{end}">{each}</a>' for each, end in zip(shown, ends))

    code = re.sub(r"\b([\w/]+\.py):(\d[\d-]*(?:, \d[\d-]*)*)", lines, str(escape(text)))
    return Markup(re.sub(r"\bissue (\d+)", rf'<a href="{REPOSITORY}/issues/\1">\g<0></a>', code))


def minus(text):
    """Text with a minus sign in the place of the hyphen before a number; `0-3`, a seed, and `CIFAR-10` keep theirs."""
    return re.sub(r"(?<![\w-])-(?=\d)", "−", text)


def verdict(word):
    """The word of a verdict in its colour."""
    return Markup('<span class="verdict {}">{}</span>').format(word.replace(" ", "-"), word)
