"""The stage that notices that images have changed: a hash of the names, sizes and times of the files of a data set, and of its
list of classes.

    python -m harness listing --dataset D --out FOLDER

It runs each time, and the stage that prepares the data set depends on what it writes, `<out>/listing.json`. It reads no image:
50,000 files take a fraction of a second, and ImageNet's 1.3 million some ten.
"""

import hashlib
import os
from pathlib import Path

from harness.files import sha256, write_json


def listing(root):
    """The number of files under a folder, links followed, and a sha256 of their paths, sizes and times of change."""
    digest, count = hashlib.sha256(), 0
    for folder, folders, files in os.walk(root, followlinks=True):
        folders.sort()
        digest.update(os.fsencode(f"{os.path.relpath(folder, root)}\0"))
        for name in sorted(files):
            found = status(os.path.join(folder, name))
            digest.update(os.fsencode(f"{name}\0{found.st_size}\0{found.st_mtime_ns}\0"))
        count += len(files)
    return {"files": count, "sha256": digest.hexdigest()}


def status(path):
    """os.stat of a file, or of the link itself where that leads nowhere."""
    try:
        return os.stat(path)
    except FileNotFoundError:
        return os.lstat(path)


def run(cell, settings, inputs, out):
    """The stage. Of images that are downloaded, and then verified, it lists none; of a folder that is gone, as where the prepared
    images came from elsewhere, what it said before stays."""
    source, root, classes = (getattr(settings["dataset"], name) for name in ("source", "root", "class_list"))
    file, lists = out / "listing.json", {"classes": sha256(classes)} if Path(classes).is_file() else {}
    if source != "folder":
        write_json(file, lists)
    elif Path(root).exists() or not file.exists():
        write_json(file, listing(root) | lists)
