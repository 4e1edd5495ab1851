"""A new study: a folder with a study.yaml to be edited, and the pipeline that follows from it."""

from pathlib import Path

from harness.errors import UserError
from harness.files import write_text
from harness.pipeline.pipeline import write
from harness.pipeline.study import FILE
from harness.validation import check_name

TEMPLATE = """\
title: "{title}"
question: What does it change to draw neighbors from fewer candidates?

# What the arms are compared with: an arm of another study, which is not run again.
reads: {{default: main/reimpl/default}}

# An arm changes settings of params/<data set>.yaml. Its group says what it runs anew:
#   whole       pretext task, neighbors, SCAN, self-labeling: {{pretext: {{simclr: {{dim: 32}}}}, scan: {{}}, selflabel: {{}}}};
#               and k-means on the features, if its arms name kmeans: {{}}, too
#   clustering  SCAN and self-labeling, from the shared pretext task
#   scan        SCAN alone
#   selflabel   self-labeling alone, from the SCAN of main/reimpl/default
arms:
  reimpl:
    clustering:
      k15: {{scan: {{num_neighbors: 15}}, selflabel: {{}}}}

# kind: above (of over than, or over a value), same (within margin points), equal (to value, within margin), varies (of more than
# than), collapses.
claims:
  - text: With 15 candidates accuracy is within 2 points of that with all.
    source: this project
    kind: same
    of: reimpl/k15/selflabel
    than: reimpl/default/selflabel
    margin: 2.0
"""


def new(name):
    """Make studies/<name>. Raises UserError where the name will not do or is taken."""
    check_name(name, "the name of the study")
    folder = Path("studies") / name
    if folder.exists() or folder.with_suffix(".py").exists():
        raise UserError(f"{folder} is there already; choose another name")
    write_text(folder / FILE, TEMPLATE.format(title=name.replace("_", " ").capitalize()))
    write()
    print(f"{folder / FILE} is yours to edit; then `python -m studies check` and `python -m studies run {name}`")
