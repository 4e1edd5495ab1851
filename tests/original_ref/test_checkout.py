"""Fetching at the pin, from a local repository: what is verified, what is refused, what is left behind."""

import errno
import os
import random
import re
import subprocess
import tempfile
from pathlib import Path

import pytest

from harness.errors import UserError
from original_ref import checkout


def git(folder, *arguments):
    identity = ["-c", "user.name=t", "-c", "user.email=t@t"]
    return subprocess.run(["git", "-C", folder, *identity, *arguments], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A repository with two commits, of which the first is taken for the pin; the cache folder is a fresh one."""
    folder = tmp_path / "source"
    folder.mkdir()
    git(folder, "init", "-q")
    for text in ("one", "two"):
        (folder / "scan.py").write_text(text)
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", text)
    monkeypatch.setattr(checkout, "COMMIT", git(folder, "rev-parse", "HEAD~1"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv(checkout.SOURCE, str(folder))
    return folder


def test_the_pinned_commit_is_checked_out_and_found_again(source, monkeypatch):
    folder = checkout.fetch()
    assert (folder / "scan.py").read_text() == "one"
    monkeypatch.setenv(checkout.SOURCE, "/nowhere")
    assert checkout.fetch() == folder  # no source is asked again


@pytest.mark.parametrize("spoil, message", [
    (lambda folder: (folder / "scan.py").write_text("mine"), "differs from its commit"),
    (lambda folder: (folder / "new.py").write_text("mine"), "differs from its commit"),
    (lambda folder: git(folder, "checkout", "-q", "--detach", "origin/HEAD"), "is at commit"),
])
def test_a_checkout_that_was_changed_is_refused(source, spoil, message):
    spoil(checkout.fetch())
    with pytest.raises(UserError, match=f"{message}.*python -m original_ref fetch"):
        checkout.fetch()


@pytest.mark.parametrize("where", ["/nowhere", "http://127.0.0.1:9/none"])
def test_a_source_that_is_not_there_leaves_nothing_behind(source, monkeypatch, where, tmp_path):
    monkeypatch.setenv(checkout.SOURCE, where)
    with pytest.raises(UserError, match=f"{where}.*set SCAN_REFERENCE"):
        checkout.fetch()
    assert not list((tmp_path / "cache").rglob("*.py"))


def test_a_source_without_the_commit_leaves_nothing_behind(source, monkeypatch, tmp_path):
    monkeypatch.setattr(checkout, "COMMIT", "0" * 40)
    with pytest.raises(UserError, match="cannot be used"):
        checkout.fetch()
    assert not list((tmp_path / "cache").rglob("*.py"))


def test_a_source_that_never_answers_is_given_up(source, monkeypatch):
    """A server that accepts the connection and says nothing."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(checkout, "SECONDS_TO_ANSWER", 1)
        monkeypatch.setenv(checkout.SOURCE, f"http://127.0.0.1:{server.getsockname()[1]}/none")
        with pytest.raises(UserError, match="did not answer within 1 s"):
            checkout.fetch()


@pytest.mark.parametrize("spoil", [
    lambda folder, monkeypatch: folder.write_text("a file"),
    lambda folder, monkeypatch: monkeypatch.setattr(tempfile, "TemporaryDirectory", read_only),
], ids=["no folder", "read-only"])
def test_a_cache_folder_that_cannot_be_used_is_a_reason_like_any_other(source, monkeypatch, tmp_path, spoil):
    spoil(tmp_path / "cache", monkeypatch)
    found = checkout.availability()
    assert found["commit"] is None and found == checkout.availability()
    assert re.search(r"cache/scan-repro cannot be used \(.*\): set XDG_CACHE_HOME to a folder that can", found["not_run"])


def read_only(dir, prefix):
    raise OSError(errno.EROFS, os.strerror(errno.EROFS), f"{dir}/{prefix}{random.random()}")


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("Could not determine home directory.")))
    assert checkout.availability()["not_run"].endswith("set XDG_CACHE_HOME to a folder")


def test_availability_says_why_not_in_the_same_words_each_time(source, monkeypatch):
    assert checkout.availability() == {"commit": checkout.COMMIT, "not_run": None}

    def fails():
        raise UserError("Failed to connect to github.com port 443 after 7 ms: no")

    assert checkout.availability(fails)["not_run"] == (
        "the authors' code is unavailable: Failed to connect to github.com port 443: no")
