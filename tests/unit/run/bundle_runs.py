# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bundles as runs leave them: three checks, planned for two hosts."""
from __future__ import annotations

import hashlib

from ansible_collections.mcast.lab.plugins.plugin_utils.run.bundle import Bundle
from ansible_collections.mcast.lab.tests.unit.packet import build


def check(number, host="server", phase="during", severity="failure"):
    return {"id": f"{host}/{phase}/{number}", "host": host, "phase": phase, "check": "membership.present",
            "description": "member of 239.0.0.100 on eth0", "severity": severity, "params": {"interface": "eth0"}}


def judged(planned, verdict="pass", **changes):
    return dict(planned, **dict({"verdict": verdict, "expected": "a member", "actual": "no <member> & \"none\"",
                                 "evidence": {}, "elapsed": 0.125}, **changes))


PLAN = [check(1), check(2), check(3, host="client", phase="before")]
CAPTURE = build.pcap([build.datagram()])
MARKS = [{"host": host, "phase": phase} for host in ("server", "client") for phase in ("setup", "before")]
FACTS = {"memberships": [{"group": "239.0.0.100"}]}


def begun(path):
    """A bundle that passes once it has a result of each check."""
    bundle = Bundle.open(path, PLAN, MARKS, {"lab": "two_hosts"})
    complete(bundle, MARKS)
    return bundle


def complete(bundle, marks):
    for mark in marks:
        bundle.add_progress("completed", mark["host"], mark["phase"])


def whole(path):
    """A bundle that passes."""
    bundle = begun(path)
    for planned in PLAN:
        bundle.add_result(judged(planned))
    for host in ("server", "client"):
        bundle.add_facts(host, "before", FACTS)
        bundle.folder.write(bundle.capture_file(host, "capture-eth0"), CAPTURE)
    return bundle


def everything(bundle):
    """The content of each regular file, by name."""
    return {name: bundle.folder.read(name) for name, size in bundle.folder.files().items() if size is not None}


def digest(bundle):
    return f"sha256:{hashlib.sha256(bundle.folder.read('manifest.json')).hexdigest()}"
