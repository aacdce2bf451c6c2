# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The evidence of whole runs: whose it is, whether it is as it was, and what is said where it can't be written."""
from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import subprocess
import time

import pytest
from ansible_collections.mcast.lab.tests.unit.run import bundle_runs
from verify_lab import BIN, ROOT, playbook

ENVIRONMENT = dict(os.environ, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"), ANSIBLE_NOCOLOR="1")


def verdict(bundle):
    """The exit status and the last line of a further verdict."""
    ran = subprocess.run([str(BIN / "ansible-playbook"), "-i", "localhost,", "mcast.lab.verdict", "-e",
                          f"mcast_bundle={bundle}"], cwd=bundle.parent, env=ENVIRONMENT, capture_output=True, text=True,
                         timeout=60, check=False)
    assert "Task failed" not in ran.stdout and "Traceback" not in ran.stdout + ran.stderr
    return ran.returncode, ran.stdout.strip().splitlines()[-1]


def test_whose_evidence_is_and_that_it_stays_as_it_was(inventory):
    """With what sudo sets in the environment: the user owns all that the run makes, and nobody else reads it."""
    folder = inventory()
    ran = playbook(folder, "verify", SUDO_UID="4711", SUDO_GID="4712")
    assert ran.returncode == 0, ran.stdout
    results = folder.parent / "results"
    made = [results, *results.rglob("*")]
    assert {(path.is_dir(), oct(stat.S_IMODE(path.lstat().st_mode)), path.lstat().st_uid, path.lstat().st_gid)
            for path in made} == {(True, "0o700", 4711, 4712), (False, "0o600", 4711, 4712)}
    bundle, = results.glob("*/*")
    assert {path.parent.name for path in made} >= {"captures", "facts"}
    line = ran.stdout.strip().splitlines()[-1]
    digits = line.split("sha256:")[1].split(", ")[0]
    assert len(digits) == 16
    assert hashlib.sha256((bundle / "manifest.json").read_bytes()).hexdigest().startswith(digits)
    told = verdict(bundle)
    assert told[0] == 0 and told[1].split(", ")[:-1] == line.split(", ")[:-1]
    capture = bundle / "captures" / "server.eth0.pcap"
    content = capture.read_bytes()
    capture.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    (bundle / "facts" / "client.json").unlink()
    os.mkfifo(bundle / "facts" / "client.json")
    before = {path: path.read_bytes() for path in bundle.rglob("*") if path.is_file()}
    status, line = verdict(bundle)
    assert status != 0
    assert line.startswith("verdict: fail, 40 checks, captures/server.eth0.pcap has changed, facts/client.json is not "
                           f"a regular file, sha256:{digits}, ")
    assert {path: path.read_bytes() for path in bundle.rglob("*") if path.is_file()} == before


def test_a_bundle_that_is_not_one_is_one_sentence_in_the_verdict(tmp_path):
    bundle = tmp_path / "run"
    assert verdict(bundle)[1].startswith(
        f"verdict: fail, 0 checks, {bundle}/manifest.json: can't be read: No such file or directory, ")
    run = bundle_runs.whole(str(bundle))
    lines = (bundle / "results.jsonl").read_text().splitlines(keepends=True)
    (bundle / "results.jsonl").write_text("".join([lines[0].replace('"id"', '"ID"'), *lines[1:]]))
    status, line = verdict(bundle)
    assert status != 0
    assert line.startswith("verdict: fail, 3 checks, 1 missing, results.jsonl line 1: has no text as 'id', sha256:")
    assert bundle_runs.digest(run).startswith(line.split(", ")[-2])


@pytest.fixture
def small_disk(tmp_path):
    path = tmp_path / "disk"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", path], check=True)
    yield path
    subprocess.run(["umount", "-l", path], check=True)


def fill(disk):
    with contextlib.suppress(OSError), open(disk / "filler", "wb", buffering=0) as file:
        while True:
            file.write(b"\0" * 4096)


FULL = "No space left on device"


def test_a_disk_that_is_full_from_the_start(inventory, small_disk):
    fill(small_disk)
    ran = playbook(inventory(), "verify", "-e", f"mcast_results_dir={small_disk}")
    assert ran.returncode != 0
    line = ran.stdout.strip().splitlines()[-1]
    assert line.startswith(f"verdict: fail, nothing was judged, evidence is incomplete: {small_disk}/") and FULL in line
    assert ran.stdout.count(FULL) == 1


def test_a_disk_that_fills_during_the_checks(inventory, small_disk):
    """What was judged is shown, what could not be written fails, and stays missing when there is room again."""
    folder = inventory()
    with open(folder.parent / "output", "w+", encoding="utf-8") as output:
        run = subprocess.Popen([str(BIN / "ansible-playbook"), "-i", str(folder), "mcast.lab.verify", "-e",
                                f"mcast_results_dir={small_disk}"], env=ENVIRONMENT, stdout=output, cwd=folder.parent)
        deadline = time.monotonic() + 60
        while sum(path.read_text().count("\n") for path in small_disk.glob("*/*/results.jsonl")) < 4:
            assert run.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        fill(small_disk)
        assert run.wait(120) != 0
        output.seek(0)
        told = output.read()
    assert "Task failed" not in told and "Traceback" not in told
    bundle, = small_disk.glob("*/*")
    line = told.strip().splitlines()[-1]
    assert line.startswith("verdict: fail, 40 checks, ") and line.endswith(f", {bundle.relative_to(folder.parent)}/")
    assert f", evidence is incomplete: results.json can't be written: {FULL}, " in line and "sha256" not in line
    assert f"{bundle}/results.jsonl: can't be written: {FULL}" in told or (
        f"{bundle}/facts/" in told and f".json: can't be written: {FULL}" in told)
    assert not (bundle / "results.json").exists() and not (bundle / "junit.xml").exists()
    (small_disk / "filler").unlink()
    status, line = verdict(bundle)
    assert status != 0 and " missing, " in line and "sha256:" in line


def test_a_disk_that_is_full_at_the_verdict(small_disk):
    """It says so; once there is room, the verdict can be made of what is all there."""
    bundle = small_disk / "run"
    bundle_runs.whole(str(bundle))
    before = {path: path.read_bytes() for path in bundle.rglob("*") if path.is_file()}
    fill(small_disk)
    for _time in range(2):
        status, line = verdict(bundle)
        assert status != 0
        assert line == ("verdict: fail, 3 checks, evidence is incomplete: results.json can't be written: "
                        f"{FULL}, run/")
        assert {path: path.read_bytes() for path in bundle.rglob("*") if path.is_file()} == before
    (small_disk / "filler").unlink()
    assert verdict(bundle)[0] == 0
