# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who listens: the check `socket.listening` against sockets as host_facts tells them."""
from __future__ import annotations

import pytest
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError
from ansible_collections.mcast.lab.plugins.module_utils.kernel import sockets
from ansible_collections.mcast.lab.plugins.plugin_utils.run import judge


def held(address="0.0.0.0", port=11111, process="receiver", pid=4711, descriptor=5, protocol="udp"):
    return {"family": "ipv6" if ":" in address else "ipv4", "protocol": protocol, "ip_protocol": 17,
            "address": address, "port": port, "process": process, "pid": pid, "descriptor": descriptor, "uid": 0,
            "user": "root", "inode": 1, "drops": 0}


UNSEEN = {"process": None, "pid": None, "descriptor": None}
G, G6 = "239.0.0.100", "ff15::100"
RECEIVER = "receiver (pid 4711, descriptor 5) on UDP "

# params beside the port, sockets, passed, actual
CASES = [
    ({}, [held()], True, f"{RECEIVER}*:11111 (ipv4)"),
    ({}, [], False, "nobody"),
    ({}, [held(port=11112)], False, "nobody"),
    ({}, [held(port=1111)], False, "nobody"),
    ({}, [held(port=None, protocol="raw")], False, "nobody"),
    ({}, [held("192.0.2.1")], True, f"{RECEIVER}192.0.2.1:11111 (ipv4)"),
    ({}, [held("::")], True, f"{RECEIVER}*:11111 (ipv6)"),
    ({}, [held(**UNSEEN)], False, "an unknown process (run as root to see it) on UDP *:11111 (ipv4)"),
    ({}, [held(**UNSEEN), held()], True, f"{RECEIVER}*:11111 (ipv4)"),
    ({"group": G}, [held()], True, f"{RECEIVER}*:11111 (ipv4)"),
    ({"group": G}, [held(G)], True, f"{RECEIVER}239.0.0.100:11111 (ipv4)"),
    ({"group": G}, [held("239.0.0.101")], False, f"{RECEIVER}239.0.0.101:11111 (ipv4)"),
    ({"group": G}, [held("192.0.2.1")], False, f"{RECEIVER}192.0.2.1:11111 (ipv4)"),
    ({"group": G}, [held("127.0.0.1")], False, f"{RECEIVER}127.0.0.1:11111 (ipv4)"),
    ({"group": G}, [held("::")], True, f"{RECEIVER}*:11111 (ipv6, which may take IPv4 too)"),  # any of Java's
    ({"group": G}, [held("::1")], False, f"{RECEIVER}[::1]:11111 (ipv6)"),
    ({"group": G6}, [held("::")], True, f"{RECEIVER}*:11111 (ipv6)"),
    ({"group": "FF15:0::100"}, [held(G6)], True, f"{RECEIVER}[ff15::100]:11111 (ipv6)"),
    ({"group": G6}, [held()], False, f"{RECEIVER}*:11111 (ipv4)"),
    ({"group": G6}, [held("fe80::1")], False, f"{RECEIVER}[fe80::1]:11111 (ipv6)"),
    ({"process": "receiver"}, [held()], True, f"{RECEIVER}*:11111 (ipv4)"),
    ({"process": "receive"}, [held()], False, f"{RECEIVER}*:11111 (ipv4)"),
    ({"process": "receiver"}, [held(process="vlc")], False, "vlc (pid 4711, descriptor 5) on UDP *:11111 (ipv4)"),
    ({"process": "receiver"}, [held(process="vlc", pid=1), held()], True, f"{RECEIVER}*:11111 (ipv4)"),
    ({"process": "receiver", "group": G}, [held(process="vlc"), held("192.0.2.1")], False, None),
    ({}, [held(), held(pid=4712)], True,
     f"{RECEIVER}*:11111 (ipv4); receiver (pid 4712, descriptor 5) on UDP *:11111 (ipv4)"),
]


@pytest.mark.parametrize(("params", "found", "passed", "actual"), CASES)
def test_listening(params, found, passed, actual):
    check = judge.make("socket.listening", dict(params, port=11111))
    told = check.judge({"sockets": found})
    assert told[0] is passed
    assert actual in (None, told[2])
    assert told[3]["sockets"] == [row for row in found if row["port"] == 11111] or passed


@pytest.mark.parametrize(("params", "description", "expected"), [
    ({}, "a process listens on UDP port 11111", "a process on UDP *:11111"),
    ({"group": G}, "a process listens on UDP port 11111 for 239.0.0.100",
     "a process on UDP *:11111 or 239.0.0.100:11111 (ipv4)"),
    ({"group": G6, "process": "vlc"}, "vlc listens on UDP port 11111 for ff15::100",
     "vlc on UDP *:11111 or [ff15::100]:11111 (ipv6)"),
])
def test_what_is_expected_is_said(params, description, expected):
    check = judge.make("socket.listening", dict(params, port=11111))
    assert check.describe() == description
    assert check.judge({"sockets": []})[1] == expected


def gathered(read=None, drops=0, ours=0, address="0.0.0.0", inode=1):
    """Facts with one socket, and so many datagrams of both families read on the host, of them by a receiver of ours."""
    udp = {} if read is None else {"InDatagrams": read}
    flows = [{"group": group, "datagrams": ours} for group in (G, G6)]
    return {"sockets": [dict(held(address), drops=drops, inode=inode)], "counters": {"Udp": udp, "Udp6": udp},
            "traffic": {"receiver-x": {"program": "receiver", "flows": flows}, "wire": {"program": "capture"},
                        "early": None}}


# before (None: no such gathering), now, passed, what is said
@pytest.mark.parametrize(("before", "now", "passed", "says"), [
    (gathered(100), gathered(105), True, "0 dropped, 5 of ipv4 read by programs that are not ours"),
    (gathered(100), gathered(104), False, "0 dropped, 4 of ipv4 read"),
    (None, gathered(5), True, "5 of ipv4 read"),
    (gathered(100, ours=7), gathered(112, ours=14), True, "5 of ipv4 read"),
    (gathered(100, ours=7), gathered(112, ours=15), False, "4 of ipv4 read"),
    (gathered(100, drops=3), gathered(105, drops=3), True, "0 dropped, 5 of"),
    (gathered(100, drops=3), gathered(105, drops=4), False, "1 dropped, 5 of"),
    (gathered(100, drops=3), gathered(105, drops=3, inode=2), False, "3 dropped, 5 of"),
    (gathered(100), gathered(105, drops=None), False, "this kernel does not count"),
    (gathered(100), gathered(None), False, "this kernel does not count"),
    (gathered(100), dict(gathered(105), sockets=[]), False, "nobody; 0 dropped, 5 of"),
])
def test_delivered(before, now, passed, says):
    check = judge.make("socket.delivered", {"port": 11111, "group": G, "datagrams": 5}, before)
    told = check.judge(now)
    assert told[0] is passed and says in told[2] and "0 dropped, at least 5 read" in told[1]


@pytest.mark.parametrize("params", [
    {}, {"port": 0}, {"port": 65536}, {"port": "http"}, {"port": 1, "group": "10.0.0.1"}, {"port": 1, "process": 7},
    {"port": 1, "pid": 7}])
def test_bad_params_are_refused(params):
    with pytest.raises(McastError, match=r"\Asocket\.listening"):
        judge.make("socket.listening", params)


def test_the_kernels_own_text_is_judged():
    """The table and the listing as a host prints them."""
    row = ("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref "
           "pointer drops\n"
           "  112: 00000000:2B67 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4242 2 "
           "0000000000000000 0\n")
    listing = ("/proc/4711/fd:\nlr-x------ 1 0 0 64 Nov 22 08:00 0 -> /dev/null\n"
               "lrwx------ 1 0 0 64 Nov 22 08:00 5 -> socket:[4242]\n/proc/4711/comm:receiver\n")
    found = sockets.sockets({"udp": row}, listing, "root:x:0:0::/root:/bin/sh\n")[0]
    told = judge.make("socket.listening", {"port": 11111, "group": G}).judge({"sockets": found})
    assert told[0] and told[2] == f"{RECEIVER}*:11111 (ipv4)"
