# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError
from ansible_collections.mcast.lab.plugins.module_utils.kernel import routes, sockets

UDP = ("   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer "
       "drops            \n"
       "11440: 00000000:2B67 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 9705 2 "
       "00000000151ba8ca 0          \n"
       "  452: 0100007F:0143 00000000:0000 07 00000000:00000000 00:00000000 00000000   105        0 11302 2 "
       "0000000000000000 12        \n")
UDP6 = ("  sl  local_address                         remote_address                        st tx_queue rx_queue tr "
        "tm->when retrnsmt   uid  timeout inode ref pointer drops\n"
        "11440: 000015FF000000000000000000010000:2B67 00000000000000000000000000000000:0000 07 00000000:00000000 "
        "00:00000000 00000000     0        0 9719 2 000000001febe991 0\n")
RAW = ("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer "
       "drops\n"
       "    2: 00000000:0002 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 5021 2 "
       "0000000000000000 0\n")


def test_tables():
    first, second = sockets.table("udp", UDP)
    assert first == {"family": "ipv4", "protocol": "udp", "ip_protocol": 17, "address": "0.0.0.0", "port": 11111,
                     "uid": 0, "inode": 9705, "drops": 0}
    assert (second["address"], second["port"], second["uid"], second["drops"]) == ("127.0.0.1", 323, 105, 12)
    row, = sockets.table("udp6", UDP6)
    assert (row["family"], row["address"], row["port"], row["inode"]) == ("ipv6", "ff15::100", 11111, 9719)
    row, = sockets.table("raw", RAW)
    assert (row["protocol"], row["ip_protocol"], row["port"]) == ("raw", 2, None)


LS = """/proc/4796/fd:
lrwx------ 1 0 0 64 Nov 22 07:45 11 -> socket:[9705]
lrwx------ 1 0 0 64 2025-11-22 07:45 3 -> socket:[9719]
/proc/311/fd:
lrwx------    1 105      113             64 Nov 22 07:45 7 -> socket:[9705]
lr-x------ 1 0 0 64 Nov 22 07:45 8 -> /dev/null
/proc/5000/fd:
lrwx------ 1 0 0 64 Nov 22 07:45 3 -> socket:[9719]
/proc/311/comm:a name: with [odd] signs
/proc/4796/comm:python3
and its second line
"""


def test_holders():
    assert sockets.holders(LS) == {
        9705: {"process": "a name: with [odd] signs", "pid": 311, "descriptor": 7},
        9719: {"process": "python3", "pid": 4796, "descriptor": 3}}


def test_sockets_name_users_and_processes():
    found, note = sockets.sockets({"udp": UDP, "udp6": UDP6}, LS, "root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0\n+::\n")
    assert [(row["inode"], row["user"], row["process"], row["pid"]) for row in found] == [
        (9705, "root", "a name: with [odd] signs", 311), (11302, None, None, None), (9719, "root", "python3", 4796)]
    assert note.startswith("the processes of 1 of 3 sockets could not be seen: that needs root")
    assert sockets.sockets({"udp": None}, None, None) == ([], None)


@pytest.mark.parametrize("line", ["11440: 00000000:2B67", "x: 0:0", " 1: 0000:0000 00000000:0000 07"])
def test_odd_socket_is_refused(line):
    with pytest.raises(McastError, match="/proc/net/udp: has a line of an unknown form"):
        sockets.table("udp", line)


ROUTE = ("Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT                        \n"
         "%s\t0\t0\t0                                                                               \n")


@pytest.mark.parametrize("line, destination, gateway, interface, metric, kind", [
    ("eth0\t0000090A\t00000000\t0001\t0\t0\t0\t00FFFFFF", "10.9.0.0/24", None, "eth0", 0, "unicast"),
    ("eth0\t00000000\t017AA8C0\t0003\t0\t0\t100\t00000000", "0.0.0.0/0", "192.168.122.1", "eth0", 100, "unicast"),
    ("eth0\t000000E0\t00000000\t0001\t0\t0\t5\t000000F0", "224.0.0.0/4", None, "eth0", 5, "unicast"),
    ("*\t0000000A\t00000000\t0201\t0\t0\t0\t000000FF", "10.0.0.0/8", None, None, 0, "reject"),
])
def test_route(line, destination, gateway, interface, metric, kind):
    assert routes.ipv4(ROUTE % line) == [{"family": "ipv4", "destination": destination, "gateway": gateway,
                                          "interface": interface, "metric": metric, "type": kind}]


ZERO = "0" * 32
ROUTE6 = f"""\
fe800000000000000000000000000000 40 {ZERO} 00 {ZERO} 00000100 00000001 00000000 00000001     eth0
{ZERO} 00 {ZERO} 00 fd000000000000000000000000000001 00000400 00000001 00000000 00000003     eth0
{ZERO} 00 {ZERO} 00 {ZERO} ffffffff 00000001 00000000 00200200       lo
00000000000000000000000000000001 80 {ZERO} 00 {ZERO} 00000000 00000002 00000000 80200001       lo
ff000000000000000000000000000000 08 {ZERO} 00 {ZERO} 00000100 00000004 00000000 00000001     eth0
"""


def test_ipv6_routes_without_the_own_addresses():
    assert [(row["destination"], row["gateway"], row["interface"], row["metric"]) for row in routes.ipv6(ROUTE6)] == [
        ("fe80::/64", None, "eth0", 256), ("::/0", "fd00::1", "eth0", 1024), ("ff00::/8", None, "eth0", 256)]


@pytest.mark.parametrize("parse, text", [
    (routes.ipv4, "eth0\t0000090A\t00000000\t0001\n"),
    (routes.ipv4, ROUTE % "eth0\t0000090A\t00000000\t0001\t0\t0\t0\tFF00FFFF"),
    (routes.ipv6, "fe80::/64 dev eth0\n"),
])
def test_odd_route_is_refused(parse, text):
    with pytest.raises(McastError):
        parse(text)
