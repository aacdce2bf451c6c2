# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import shutil
import subprocess

import pytest
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError
from ansible_collections.mcast.lab.plugins.module_utils.kernel import sources


def test_names_and_paths_are_unique():
    assert len({source.name for source in sources.SOURCES}) == len(sources.SOURCES)
    assert len({source.path for source in sources.SOURCES}) == len(sources.SOURCES)
    assert {part for source in sources.SOURCES for part in source.parts} == {sources.KERNEL, *sources.SUBSETS}


def test_unknown_subset_is_named():
    with pytest.raises(McastError, match="gather_subset: has no part memberhsips; expected some of interfaces, "):
        sources.script(["memberhsips"])


def test_script_reads_only_what_was_asked_for():
    script = sources.script(["limits"])
    assert "igmp_qrv" in script
    assert "/proc/net/udp" not in script and "ip addr" not in script


@pytest.mark.parametrize("shell", [["dash"], ["bash", "--posix"], ["busybox", "sh"]], ids=" ".join)
@pytest.mark.parametrize("subsets", [sources.SUBSETS, *([name] for name in sources.SUBSETS)], ids="+".join)
def test_shells_take_the_script(shell, subsets):
    if not shutil.which(shell[0]):
        pytest.skip(f"{shell[0]} is not installed")
    ran = subprocess.run([*shell, "-n"], input=sources.script(subsets), capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


OUTPUT = """Welcome to the host
#mcast.lab# begin interfaces
#mcast.lab# missing /proc/net/igmp
#mcast.lab# missing ip_addr
#mcast.lab# files
/proc/sys/kernel/osrelease:6.1.0
/proc/sys/kernel/hostname:a:b
/proc/net/dev_mcast:2    eth0            1     0     333300000001
/proc/net/dev_mcast:4    eth1            1     0     333300000001
/proc/sys/net/ipv4/conf/all/rp_filter:0
/proc/sys/net/ipv4/conf/eth0.10/rp_filter:2
/sys/class/net/eth0/mtu:1500
/etc/shadow:of no interest
#mcast.lab# end
"""


@pytest.mark.parametrize("output", [OUTPUT, OUTPUT.replace("\n", "\r\n")], ids=["lf", "crlf"])
def test_split(output):
    texts = sources.split(output)
    assert texts["release"] == "6.1.0\n"
    assert texts["hostname"] == "a:b\n"
    assert texts["igmp"] is None
    assert texts["ip_addr"] is None
    assert texts["if_inet6"] == ""  # there, and empty
    assert texts["conf_force_mld_version"] is None
    assert texts["dev_mcast"] == ("2    eth0            1     0     333300000001\n"
                                  "4    eth1            1     0     333300000001\n")
    assert texts["conf_rp_filter"] == ("/proc/sys/net/ipv4/conf/all/rp_filter:0\n"
                                       "/proc/sys/net/ipv4/conf/eth0.10/rp_filter:2\n")
    assert texts["sysfs"] == "/sys/class/net/eth0/mtu:1500\n"
    assert "udp" not in texts


@pytest.mark.parametrize("output, message", [
    ("", "does not begin as expected; the host needs a POSIX shell"),
    ("sh: not found\n", "does not begin as expected"),
    (OUTPUT.replace("#mcast.lab# end\n", ""), "is cut off"),
    (OUTPUT[:-3], "is cut off"),
    ("#mcast.lab# end\n#mcast.lab# begin limits\n", "is cut off"),
    ("#mcast.lab# begin everything\n#mcast.lab# end\n", "has no part everything"),
])
def test_split_refuses(output, message):
    with pytest.raises(McastError, match=message):
        sources.split(output)


def test_every_cut_is_noticed():
    for length in range(len(OUTPUT) - 1):
        with pytest.raises(McastError):
            sources.split(OUTPUT[:length])
