# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files of evidence: their modes and owners, and what is not opened."""
from __future__ import annotations

import functools
import json
import multiprocessing
import os
import re
import resource
import socket
import stat

import pytest
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError
from ansible_collections.mcast.lab.plugins.plugin_utils.run import evidence_file
from ansible_collections.mcast.lab.plugins.plugin_utils.run.evidence_file import Folder, Unwritten, load


@pytest.fixture
def folder(tmp_path):
    return Folder.make(str(tmp_path / "results" / "lab" / "run"))


def modes(top):
    paths = [os.path.join(above, name) for above, folders, files in os.walk(top) for name in (*folders, *files)]
    return {os.path.relpath(path, top): f"{stat.S_IMODE(os.lstat(path).st_mode):o}" for path in paths}


@pytest.mark.parametrize(("mode", "of_file", "of_folder"), [
    (0o600, "600", "700"), (0o640, "640", "750"), (0o664, "664", "775"), (0o620, "620", "720")])
def test_modes(tmp_path, mode, of_file, of_folder):
    umask = os.umask(0o077)
    try:
        made = Folder.make(str(tmp_path / "results" / "run"), mode)
        for again in (made, Folder(made.path)):  # which another process has
            again.write("facts/one.json", b"{}")
            again.append("lines", b"{}\n")
        made.write("lines", b"")
        Folder.new(str(tmp_path / "results"), "next", mode).write("x", b"")
    finally:
        os.umask(umask)
    folders, files = ("results", "results/run", "results/run/facts", "results/next"), (
        "results/run/facts/one.json", "results/run/lines", "results/next/x")
    assert modes(tmp_path) == dict.fromkeys(folders, of_folder) | dict.fromkeys(files, of_file)


def test_a_folder_that_is_there_gets_the_mode_and_those_above_it_stay(tmp_path):
    (tmp_path / "results").mkdir(0o755)
    (tmp_path / "results" / "run").mkdir(0o755)
    Folder.make(str(tmp_path / "results" / "run")).write("x", b"")
    Folder.new(str(tmp_path / "results"), "next")
    assert modes(tmp_path) == {"results": "755", "results/run": "700", "results/run/x": "600", "results/next": "700"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize(("user", "group", "owner"), [
    ("4711", "4712", (4711, 4712)), ("4711", "0", (4711, 0)), ("4711", "", (0, 0)), ("", "", (0, 0)),
    ("-1", "1", (0, 0)), ("4294967295", "1", (0, 0)), ("99999999999", "1", (0, 0)), ("root", "root", (0, 0))])
def test_what_sudo_makes_belongs_to_the_user_of_sudo(tmp_path, monkeypatch, user, group, owner):
    monkeypatch.setenv("SUDO_UID", user)
    monkeypatch.setenv("SUDO_GID", group)
    Folder.make(str(tmp_path / "a" / "b"))
    made = Folder.new(str(tmp_path / "a" / "c"), "d")
    monkeypatch.delenv("SUDO_UID")  # a later process knows from the folder
    for name in ("x/y", "z"):
        made.write(name, b"1")
        made.append(name, b"2")
        made.append(f"{name}-lines", b"2")
    found = {(above, name): os.lstat(os.path.join(above, name)) for above, folders, files in os.walk(tmp_path)
             for name in (*folders, *files)}
    assert len(found) == 9
    assert {(about.st_uid, about.st_gid) for about in found.values()} == {owner}
    assert made.read("x/y") == b"12"


def test_new_folders_of_one_name(tmp_path):
    """Many processes at once get one each."""
    with multiprocessing.get_context("fork").Pool(8) as pool:
        made = pool.starmap(_new, [(str(tmp_path / "results" / "lab"), "20260131T120000Z")] * 40)
    assert len(set(made)) == 40 == len(os.listdir(tmp_path / "results" / "lab"))
    assert all(re.search(r"/results/lab/20260131T120000Z(-\d+)?\Z", path) for path in made)


def _new(parent, name):
    return Folder.new(parent, name).path


def _plant(kind, path):
    if kind in ("FIFO", "FIFO with a reader"):
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(str(path))
    elif kind == "folder":
        path.mkdir()
    else:
        target = path.parent.parent / "elsewhere"
        if kind == "symbolic link":
            target.write_bytes(b"kept")
        path.symlink_to(target)


@pytest.mark.parametrize("kind", ["FIFO", "FIFO with a reader", "socket", "folder", "symbolic link", "dangling link"])
def test_only_regular_files_are_opened(folder, tmp_path, kind, request):
    planted = tmp_path / "results" / "lab" / "run" / "facts.json"
    _plant(kind, planted)
    if kind == "FIFO with a reader":
        request.addfinalizer(functools.partial(os.close, os.open(planted, os.O_RDONLY | os.O_NONBLOCK)))
    reason = "it is a symbolic link" if "link" in kind else "it is not a regular file"
    for look in (folder.read, lambda name: folder.sha256(name, 9)):
        with pytest.raises(McastError, match=f"facts.json: can't be read: {reason}"):
            look("facts.json")
    with pytest.raises(Unwritten, match="facts.json: can't be written: "):
        folder.append("facts.json", b"x")
    if kind == "folder":
        with pytest.raises(Unwritten, match="facts.json: can't be written: Is a directory"):
            folder.write("facts.json", b"x")
        assert folder.files() == {}
    else:
        assert folder.files() == {"facts.json": None}
        folder.write("facts.json", b"x")
        assert folder.read("facts.json") == b"x"
    assert not (tmp_path / "results" / "lab" / "elsewhere").exists() or (
        tmp_path / "results" / "lab" / "elsewhere").read_bytes() == b"kept"


def test_no_part_of_a_name_is_a_link(folder, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x").write_bytes(b"kept")
    os.symlink(tmp_path / "elsewhere", os.path.join(folder.path, "facts"))
    for attempt in (lambda: folder.read("facts/x"), lambda: folder.write("facts/x", b""),
                    lambda: folder.append("facts/x", b""), lambda: folder.write("facts/deep/x", b"")):
        with pytest.raises(McastError, match="can't be (read|written): Not a directory"):
            attempt()
    for name in ("../x", "facts/../../x", "/etc/x", "facts//x"):
        with pytest.raises(McastError, match="does not lie in the folder|Not a directory"):
            folder.write(name, b"")
    assert folder.files() == {"facts": None}
    assert os.listdir(tmp_path / "elsewhere") == ["x"] and (tmp_path / "elsewhere" / "x").read_bytes() == b"kept"
    # The folder itself is what the user says.
    os.symlink(folder.path, tmp_path / "latest")
    Folder(str(tmp_path / "latest")).write("y", b"y")
    assert folder.read("y") == b"y"


def test_reading_is_bounded(folder, monkeypatch):
    with open(os.path.join(folder.path, "vast"), "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(McastError, match="vast: is larger than 64 MiB"):
        folder.read("vast")
    with pytest.raises(McastError, match="vast: grows while it is read"):
        folder.sha256("vast", 1 << 20)
    monkeypatch.setattr(evidence_file, "_MAX_FILES", 5)
    for number in range(5):
        folder.write(str(number), b"")
    with pytest.raises(McastError, match="holds more than 5 files"):
        folder.files()


def test_folders_nested_deeply(folder):
    here = os.open(folder.path, os.O_RDONLY)
    for _level in range(200):
        os.mkdir("d", dir_fd=here)
        here, above = os.open("d", os.O_RDONLY, dir_fd=here), here
        os.close(above)
    os.close(here)
    assert list(folder.files().values()) == [None]


def test_what_is_there_can_be_spared(folder):
    folder.write("plan.json", b"first", exclusive=True)
    with pytest.raises(Unwritten, match="plan.json: can't be written: File exists"):
        folder.write("plan.json", b"second", exclusive=True)
    assert folder.read("plan.json") == b"first" and list(folder.files()) == ["plan.json"]


def _write_beyond(folder, limit):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    for write, name in ((folder.write, "plan.json"), (folder.append, "lines"), (folder.append, "others")):
        with pytest.raises(Unwritten, match=f"{name}: can't be written: File too large"):
            write(name, b"x" * 2 * limit)


def test_what_does_not_fit_leaves_whole_lines_and_old_files(folder):
    """A limit cuts what is written, as a full disk does."""
    folder.write("plan.json", b"old")
    folder.append("lines", b"one\n")
    writer = multiprocessing.get_context("fork").Process(target=_write_beyond, args=(folder, 4096), daemon=True)
    writer.start()
    writer.join(60)
    assert writer.exitcode == 0
    folder.append("lines", b"two\n")
    assert {name: folder.read(name) for name in folder.files()} == {
        "plan.json": b"old", "lines": b"one\ntwo\n", "others": b""}


@pytest.mark.parametrize(("text", "says"), [
    (b"", "file line 1: is not JSON: Expecting value"), (b'{"a":\n\n nope}', "file line 3: is not JSON: "),
    (b"[NaN]", "file: is not JSON: NaN is not a number"), (b"[-Infinity]", "is not a number"),
    (b"[1e999]", "file: is not JSON: 1e999 is not a number"), (b"1" * 9999, "file: is not JSON: Exceeds the limit"),
    (b"[" * 100000, "file: is nested too deeply"), (b'"\xff"', "file: is not text in UTF-8"),
])
def test_what_is_not_json(text, says):
    with pytest.raises(McastError) as told:
        load(text, "file")
    assert says in str(told.value) and "\n" not in str(told.value)


def test_json_keeps_what_it_holds():
    content = {"a": [1, 2.5, None, True, "\ud800\0ü"]}
    assert load(evidence_file.dump(content), "file") == content == json.loads(evidence_file.dump(content))
    with pytest.raises(ValueError):
        evidence_file.dump(float("nan"))
