# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is told of a daemon that systemd does not start."""
from __future__ import annotations

import pytest
from ansible_collections.mcast.lab.plugins.module_utils import daemon
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError


def test_why_systemd_started_nothing_is_in_the_error(tmp_path, monkeypatch):
    said = "Failed to connect to bus: No such file or directory\n"
    monkeypatch.setattr(daemon.systemd, "used", lambda: True)
    monkeypatch.setattr(daemon, "run", lambda argv, env=None: (1, said))
    daemons = daemon.Daemons("router")
    daemons.folder = str(tmp_path)
    processes = [daemons.start(["/usr/sbin/zebra"], {})]
    with pytest.raises(McastError) as caught:
        daemons.wait(lambda: False, processes, "zebra listens")
    assert str(caught.value) == f"router: ended before zebra listens: {said.strip()}"
