"""What the documentation names is there."""

import re
from pathlib import Path

import pytest

from harness.pipeline.study import KINDS
from report.verdicts import WORDS

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_of_code_and_every_link_leads_somewhere(page):
    text = page.read_text()
    files = re.findall(r"`((?:harness|reimpl|original_ref|report|studies|tests)/[\w/.]+\.(?:py|yaml|css|jinja))`", text)
    links = [link for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text) if "://" not in link]
    assert files or links
    assert [file for file in files if not (ROOT / file).exists()] == []
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_word_and_every_kind_of_claim_is_explained():
    text = (ROOT / "docs/statistics.md").read_text()
    assert [word for word in WORDS if f"**{word.capitalize()}**" not in text and f"**{word}**" not in text] == []
    assert [kind for kind in KINDS if f"| `{kind}`" not in text] == []
