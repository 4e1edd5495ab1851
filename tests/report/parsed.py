"""Pages parsed, so that tests can ask for what stands where."""

import re
from html.parser import HTMLParser

VOID = ("meta", "br", "wbr", "link", "img", "input", "hr")


class Element:
    """One element of a page: its tag, attributes, the elements and texts in it."""

    def __init__(self, tag, attributes, parent):
        self.tag, self.attributes, self.parent, self.children = tag, dict(attributes), parent, []

    def all(self, tag=None, **attributes):
        """Every element within with this tag and these attributes (`class_` for class), in the page's order."""
        wanted = {key.rstrip("_"): value for key, value in attributes.items()}
        for child in self.children:
            if isinstance(child, Element):
                if tag in (None, child.tag) and wanted.items() <= child.attributes.items():
                    yield child
                yield from child.all(tag, **attributes)

    def text(self):
        parts = (child if isinstance(child, str) else child.text() for child in self.children)
        return re.sub(r"\s+", " ", "".join(parts))


class Tree(HTMLParser):
    """Parses a page into `root`; an element that is not closed, or closed out of turn, is an error."""

    def __init__(self, text):
        super().__init__()
        self.root = self.here = Element("", [], None)
        self.feed(text)
        self.close()
        assert self.here is self.root, f"<{self.here.tag}> is not closed"

    def handle_starttag(self, tag, attrs):
        element = Element(tag, attrs, self.here)
        self.here.children.append(element)
        if tag not in VOID:
            self.here = element

    def handle_startendtag(self, tag, attrs):
        self.here.children.append(Element(tag, attrs, self.here))

    def handle_endtag(self, tag):
        assert self.here.tag == tag, f"</{tag}> closes <{self.here.tag}>"
        self.here = self.here.parent

    def handle_data(self, data):
        self.here.children.append(data)
