# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Openings in real rulesets, with real datagrams: what is said of a ruleset is what becomes of them."""
from __future__ import annotations

import json
import os
import socket
import struct
import subprocess

import pytest
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError
from ansible_collections.mcast.lab.plugins.module_utils.firewall import nftables
from ansible_collections.mcast.lab.plugins.module_utils.kernel import sources
from ansible_collections.mcast.lab.plugins.module_utils.kernel.facts import facts
from ansible_collections.mcast.lab.plugins.module_utils.lab import netns
from ansible_collections.mcast.lab.plugins.plugin_utils.run import judge
from traffic_lan import GROUPS, PORT, SOURCES, Lan
from waiting import until

HELLO = {"port": PORT, "group": GROUPS[4]}
HELLO6 = {"port": PORT, "group": GROUPS[6]}
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


@pytest.fixture(scope="module")
def _lan(tmp_path_factory):
    with Lan(tmp_path_factory.mktemp("firewall")) as made:
        yield made


@pytest.fixture
def lan(_lan):
    nft(_lan, "flush ruleset")
    return _lan


@pytest.fixture
def firewall(lan, module):
    def run(check=False, **options):
        return module("firewall", options, check=check, namespace=lan.server)
    return run


def nft(lan, script, *argv):
    ran = subprocess.run(["ip", "netns", "exec", lan.server, "nft", *(argv or ("-f", "-"))], input=script,
                         capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def ruleset(lan, ours=True):
    """What nft lists, without its own version; ours: with our table too."""
    listed = json.loads(nft(lan, None, "-j", "list", "ruleset"))["nftables"]
    return [entry for entry in listed if "metainfo" not in entry and (ours or "mcast_lab" not in json.dumps(entry))]


def gathered(lan):
    ran = lan.run(lan.server, ["/bin/sh", "-c", sources.script(["firewall"])])
    return facts(sources.split(ran.stdout))


def within(namespace):
    return netns.inside(os.open(netns.path(namespace), os.O_RDONLY))


@pytest.fixture
def arrives(lan, forked):
    """arrives(VERSION, PORT): does a datagram of the client come through to a member on the server?"""
    def look(version=4, port=PORT):
        def work():
            with within(lan.server):
                receiver = socket.socket(FAMILIES[version], socket.SOCK_DGRAM)
                index = socket.if_nametoindex("eth0")
                group = socket.inet_pton(FAMILIES[version], GROUPS[version])
                if version == 4:
                    receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group + struct.pack("4xi", index))
                else:
                    receiver.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group + struct.pack("I", index))
                receiver.bind(("", port))
            with within(lan.client):
                sender = socket.socket(FAMILIES[version], socket.SOCK_DGRAM)
                if version == 4:
                    sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(SOURCES[4][0]))
                else:
                    sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex("eth0"))
                    sender.bind((SOURCES[6][0], 0))
            receiver.settimeout(0.4)  # on one wire it takes less than a millisecond
            try:
                sender.sendto(b"HELLO", (GROUPS[version], port))
                return receiver.recv(99) == b"HELLO"
            except socket.timeout:
                return False
        return forked(work)
    return look


@pytest.mark.parametrize("version", [4, 6])
def test_closed_and_opened_by_us(firewall, arrives, version):
    assert arrives(version)
    assert firewall(closed=True)["changed"]
    assert not arrives(version)
    result = firewall(ports=[{"port": PORT, "group": GROUPS[version], "source": SOURCES[version][0]}])
    assert result["openings"][0]["open"] == {"value": True, "basis": "exact"}
    assert arrives(version) and not arrives(version, PORT + 1)
    firewall(ports=[{"port": PORT, "group": GROUPS[version], "source": SOURCES[version][0]}], state="absent")
    assert not arrives(version)
    firewall(ports=[{"port": f"{PORT}-{PORT + 2}"}])
    assert arrives(version, PORT + 1)
    assert firewall(state="absent", closed=True)["changed"]
    assert arrives(version, PORT + 3)


INPUT = "table inet filter { chain input { type filter hook input priority %s; policy %s; %s\n }\n }"
# The chain or rule of somebody else, whether it is open for IPv4 and for IPv6, and what closes it.
FOREIGN = {
    "policy": (INPUT % (0, "drop", ""), False, False, "policy drop"),
    "policy with the usual accepts": (INPUT % (0, "drop", (
        "ct state established,related accept; ct state invalid drop; iif lo accept; tcp dport 22 accept; "
        "meta l4proto { icmp, ipv6-icmp } accept")), False, False, "policy drop"),
    "policy with a map of states": (INPUT % (0, "drop", "ct state vmap { established : accept, invalid : drop }"),
                                    False, False, "policy drop"),
    "policy, and open": (INPUT % (0, "drop", "udp dport 11000-12000 accept"), True, True, None),
    "policy, and open for IPv4": (INPUT % (0, "drop", "ip daddr 224.0.0.0/4 accept"), True, False, "policy drop"),
    "policy, and open for one source": (INPUT % (0, "drop", "ip saddr 10.9.0.1 accept"), None, False, "policy drop"),
    "drop before ours": (INPUT % (-10, "accept", "udp dport 11111 drop"), False, False, "drop"),
    "reject after ours": (INPUT % (10, "accept", "udp dport { 1, 11111 } reject"), False, False, "reject"),
    "drop by type of packet": (INPUT % (10, "accept", "meta pkttype multicast drop"), False, False, "drop"),
    "drop by type of address": (INPUT % (10, "accept", "fib daddr type multicast drop"), False, False, "drop"),
    "drop of every port but one": (INPUT % (10, "accept", "udp dport != 53 drop"), False, False, "drop"),
    "drop of high ports": (INPUT % (10, "accept", "udp dport >= 11111 drop"), False, False, "drop"),
    "drop of higher ports": (INPUT % (10, "accept", "udp dport > 11111 drop"), True, True, None),
    "drop of another port": (INPUT % (10, "accept", "udp dport 11112 drop; tcp dport 11111 drop"), True, True, None),
    "drop after an accept": (INPUT % (10, "accept", "udp dport 11111 accept; drop"), True, True, None),
    "drop after a return": (INPUT % (10, "accept", "udp dport 11111 return; drop"), True, True, None),
    "policy after a return": (INPUT % (10, "drop", "udp dport 11111 return; accept"), False, False, "policy drop"),
    "drop on another interface": (INPUT % (10, "accept", 'iifname "eth9" drop'), None, None, "drop"),
    "drop of some": (INPUT % (10, "accept", "limit rate over 1/day drop"), None, None, "drop"),
    "drop by a mark": (INPUT % (10, "accept", "meta mark & 3 == 1 drop"), None, None, "drop"),
    "drop of established ones": (INPUT % (10, "accept", "ct state established drop"), True, True, None),
    "drop of new ones": (INPUT % (10, "accept", "ct state new drop"), False, False, "drop"),
    "before routing": ("table ip raw { chain PREROUTING { type filter hook prerouting priority raw; "
                       "udp dport 11111 drop\n }\n }", False, True, "drop"),
    "on arrival": ('table netdev nd { chain in { type filter hook ingress device "eth0" priority 0; '
                   "udp dport 11111 drop\n }\n }", None, None, "drop"),
    "another family": ("table ip6 t { chain input { type filter hook input priority 5; policy drop; \n }\n }",
                       True, False, "policy drop"),
    "another hook": ("table ip t { chain out { type filter hook output priority 5; policy drop; \n }\n }",
                     True, True, None),
    "by a jump": ("table ip t { chain udps { udp dport 11111 drop\n }\n chain input { type filter hook input "
                  "priority 5; meta l4proto udp jump udps\n }\n }", False, True, "drop"),
    "through a jump": ("table ip t { chain udps { udp dport 11111 accept\n }\n chain input { type filter hook input "
                       "priority 5; policy drop; meta l4proto udp jump udps\n }\n }", True, True, None),
    "by a goto": ("table ip t { chain udps { udp dport 1 drop\n }\n chain input { type filter hook input "
                  "priority 5; policy drop; meta l4proto udp goto udps; accept\n }\n }", False, True, "policy drop"),
    "by a map": ("table ip t { chain udps { drop\n }\n chain input { type filter hook input priority 5; "
                 "ip protocol vmap { tcp : accept, udp : jump udps }\n }\n }", False, True, "drop"),
    "by a named map": ("table ip t { map m { type inet_service : verdict; elements = { 11111 : drop }\n }\n "
                       "chain input { type filter hook input priority 5; udp dport vmap @m\n }\n }",
                       False, True, "drop"),
    "by a named set": ("table ip t { set s { type inet_service; flags interval; elements = { 11000-12000 }\n }\n "
                       "chain input { type filter hook input priority 5; udp dport @s drop\n }\n }",
                       False, True, "drop"),
    "by an empty set": ("table ip t { set s { type inet_service\n }\n chain input { type filter hook input priority 5; "
                        "udp dport @s drop\n }\n }", True, True, None),
    "by a set that changes": ("table ip t { set s { type inet_service; flags timeout; timeout 1h\n }\n chain input { "
                              "type filter hook input priority 5; udp dport @s drop\n }\n }", None, True, "drop"),
    "untracked": ("table inet t { chain pre { type filter hook prerouting priority raw; notrack\n }\n chain input { "
                  "type filter hook input priority 5; ct state new drop\n }\n }", None, None, "drop"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_chains_of_others(lan, firewall, arrives, name):
    script, *wanted, verdict = FOREIGN[name]
    nft(lan, script)
    before = ruleset(lan)
    result = firewall(ports=[HELLO, HELLO6])
    assert ruleset(lan, ours=False) == before
    for version, opening, value in zip((4, 6), result["openings"], wanted):
        assert opening["open"] == {"value": value, "basis": "unknown" if value is None else "exact"}, opening
        assert {drop["verdict"] for drop in opening["overridden_by"]} == (set() if value else {verdict}), opening
        assert value in (None, arrives(version)), "what was told for certain is not so"
    told = {drop["chain"] for opening in result["openings"] for drop in opening["overridden_by"]}
    assert all(chain in json.dumps(result["warnings"]) for chain in told)
    assert firewall(state="absent")["changed"]
    assert ruleset(lan) == before


def test_the_interface_makes_it_certain(lan):
    nft(lan, INPUT % (10, "accept", 'iifname "eth0" drop'))
    found = gathered(lan)
    for interface, passed in (("eth0", False), ("eth1", True), (None, False)):
        check = judge.make("firewall.open", dict(HELLO, interface=interface))
        assert check.judge(found)[0] is passed, interface


def test_it_does_nothing_twice(lan, firewall):
    options = {"ports": [HELLO, dict(HELLO6, source="fd00:9::/64"), {"port": "80-90", "protocol": "tcp"}, {
        "port": 7, "source": "10.0.0.0/8"}], "protocols": ["pim", "igmp"], "closed": True}
    first = firewall(check=True, **options)
    assert first["changed"] and ruleset(lan) == []
    assert firewall(**options)["diff"] == first["diff"]
    assert first["diff"] == {"before": {}, "after": {"inet mcast_lab": {"closed": True, "openings": sorted([
        "11111/udp to 239.0.0.100", "11111/udp to ff15::64 from fd00:9::/64", "80-90/tcp", "7/udp from 10.0.0.0/8",
        "igmp", "igmp (needed by ports)", "mld (needed by ports)", "pim"])}}}
    before = ruleset(lan)
    again = firewall(**options)
    assert not again["changed"] and again["diff"] == {"before": {}, "after": {}}
    assert ruleset(lan) == before
    assert firewall(check=True, state="absent")["changed"] and ruleset(lan) == before
    assert firewall(state="absent")["changed"] and ruleset(lan) == []
    assert not firewall(state="absent")["changed"]


def test_exactly_what_was_added_goes(lan, firewall):
    firewall(ports=[HELLO, dict(HELLO, port=5000), HELLO6], protocols=["mld"])
    firewall(ports=[dict(HELLO, port=6000)], membership_protocols=False)

    def listed():
        return [(each["protocol"], each["port"], each["asked"]) for each in gathered(lan)["firewall"]["accepts"]]
    assert sorted(listed(), key=str) == sorted([
        ("udp", "11111", True), ("udp", "5000", True), ("udp", "11111", True), ("udp", "6000", True),
        ("mld", None, True), ("igmp", None, False), ("mld", None, False)], key=str)
    firewall(ports=[HELLO, HELLO6], state="absent")
    assert sorted(listed(), key=str) == sorted([
        ("udp", "5000", True), ("udp", "6000", True), ("mld", None, True), ("igmp", None, False)], key=str)
    firewall(ports=[dict(HELLO, port=5000)], state="absent")
    assert sorted(listed(), key=str) == sorted([("udp", "6000", True), ("mld", None, True)], key=str)
    nft(lan, 'insert rule inet mcast_lab input udp dport 9 accept comment "somebody"')
    assert firewall(state="absent")["changed"]
    text = nft(lan, None, "list", "ruleset")
    assert "somebody" in text and "mcast.lab" not in text
    assert not firewall(state="absent")["changed"]


def test_all_or_nothing(lan, firewall, monkeypatch):
    firewall(ports=[HELLO])
    before = ruleset(lan)
    whole = nftables._transaction
    monkeypatch.setattr(nftables, "_transaction", lambda *args: whole(*args) + [
        "delete rule inet mcast_lab input handle 4711"])
    result = firewall(ports=[HELLO6], closed=True)
    assert result["failed"] and result["msg"].startswith("nft: refused, and nothing was changed: ")
    assert ruleset(lan) == before


# The queries that members must hear: a chain behind ours counts them.
QUERIES = {
    "igmp": (socket.AF_INET, 2, b"\x11\x00\xee\xff\x00\x00\x00\x00", "224.0.0.1", "ip protocol igmp"),
    "mld": (socket.AF_INET6, socket.IPPROTO_ICMPV6, b"\x82\x00\x00\x00\x03\xe8\x00\x00" + bytes(16), "ff02::1",
            "icmpv6 type mld-listener-query"),
}


@pytest.mark.parametrize("protocol", QUERIES)
def test_a_port_opens_the_queries_too(lan, firewall, forked, protocol):
    family, number, message, group, match = QUERIES[protocol]
    nft(lan, INPUT % (10, "accept", f"{match} counter"))

    def counted():
        return int(nft(lan, None, "list", "ruleset").split("counter packets ")[1].split()[0])

    def query():
        def work():
            with within(lan.client):
                sender = socket.socket(family, socket.SOCK_RAW, number)
                index = socket.if_nametoindex("eth0")
                if family == socket.AF_INET:
                    sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(SOURCES[4][0]))
                    return sender.sendto(message, (group, 0))
                sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 1)
                # Router Alert in a hop-by-hop header (RFC 2711).
                alert = [(socket.IPPROTO_IPV6, socket.IPV6_HOPOPTS, b"\0\0\x05\x02\0\0\x01\0")]
                return sender.sendmsg([message], alert, 0, (group, 0, 0, index))
        return forked(work)

    def heard():
        before = counted()
        query()
        try:
            return until(lambda: counted() > before, 0.4)
        except AssertionError:
            return False
    assert heard()
    hello = HELLO if protocol == "igmp" else HELLO6
    firewall(ports=[hello], membership_protocols=False, closed=True)
    assert not heard(), "the port alone"
    result = firewall(ports=[hello])
    assert [each["protocol"] for each in result["openings"]] == ["udp", protocol]
    assert heard()
    firewall(ports=[hello], state="absent")
    assert not heard()
    firewall(protocols=[protocol])
    assert heard()


def test_checks(lan, firewall):
    listed, opened = (judge.make(name, HELLO) for name in ("firewall.listed", "firewall.open"))
    assert [check.judge(gathered(lan))[0] for check in (listed, opened)] == [False, True]
    firewall(ports=[dict(HELLO, port=1)], closed=True)
    assert [check.judge(gathered(lan))[0] for check in (listed, opened)] == [False, False]
    assert "dropped by inet mcast_lab input (drop, handle" in opened.judge(gathered(lan))[2]
    firewall(ports=[HELLO])
    assert [check.judge(gathered(lan))[0] for check in (listed, opened)] == [True, True]
    nft(lan, INPUT % (0, "drop", ""))
    assert [check.judge(gathered(lan))[0] for check in (listed, opened)] == [True, False]
    assert opened.judge(gathered(lan))[2] == "dropped by inet filter input (policy drop)"


def test_firewalld_is_told(lan, firewall):
    nft(lan, (INPUT % (10, "drop", "")).replace("inet filter", "inet firewalld"))
    result = firewall(ports=[HELLO])
    assert result["manager"] == "firewalld" and "with firewall-cmd" in json.dumps(result["warnings"])


def test_no_nft(lan, firewall, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(nftables, "FOLDERS", "")
    result = firewall(ports=[HELLO])
    assert result["failed"] and result["msg"] == "nft: is not on this host; install the package nftables"


def test_no_rights(lan, forked):
    def work():
        with within(lan.server):
            os.setresuid(65534, 65534, 0)
            try:
                return nftables.plan({"ports": [], "protocols": [], "membership_protocols": True, "closed": True,
                                      "state": "present"}) and "worked"
            except McastError as error:
                return str(error)
            finally:
                os.setresuid(0, 0, 0)
    said = forked(work)
    assert said.startswith("nft: could not be asked") and said.endswith("run this as root, with become: true")
    ran = lan.run(lan.server, ["setpriv", "--reuid=65534", "--clear-groups", "/bin/sh", "-c",
                               sources.script(["firewall"])])
    found = facts(sources.split(ran.stdout))
    assert found["firewall"]["backend"] is None and "needs root" in found["sources"]["firewall"]["note"]
    assert judge.make("firewall.open", HELLO).judge(found)[0] is False


@pytest.mark.parametrize(("script", "says"), [
    ("table inet mcast_lab { flags dormant\n }", "dormant"),
    ("table inet mcast_lab { chain input {\n }\n }", "chain inet mcast_lab input: is no filter at the hook input"),
])
def test_what_would_make_ours_do_nothing(lan, firewall, script, says):
    nft(lan, script)
    result = firewall(ports=[HELLO])
    assert result["failed"] and says in result["msg"]


def test_a_dormant_chain_of_others_is_never_certain(lan, firewall):
    """nft 1.0.6 prints freed memory in place of the one flag, or no JSON at all."""
    nft(lan, "table ip t { flags dormant; chain input { type filter hook input priority 5; policy drop; \n }\n }")
    result = firewall(ports=[HELLO])
    assert "dormant" in result["msg"] if result.get("failed") else result["openings"][0]["open"]["value"] is not False
    check = judge.make("firewall.open", HELLO).judge(gathered(lan))
    assert check[0] or not check[2].startswith("dropped")


@pytest.mark.parametrize(("options", "says"), [
    ({"ports": [{"port": 0}]}, "ports[0].port: expected a whole number from 1 to 65535, not '0'"),
    ({"ports": [HELLO, {"port": 65536}]}, "ports[1].port: expected a whole number from 1 to 65535, not '65536'"),
    ({"ports": [{"port": "http"}]}, "ports[0].port: expected a port such as 11111, or a range such as 5000-5010, not"),
    ({"ports": [{"port": "9-8"}]}, "ports[0].port: the range 9-8 ends before it begins"),
    ({"ports": [{"port": "1; drop"}]}, "ports[0].port: expected a port"),
    ({"ports": [{"port": 1, "group": "10.0.0.1"}]}, "ports[0].group: 10.0.0.1 is not a multicast group"),
    ({"ports": [{"port": 1, "group": "239.0.0.1 drop"}]}, "ports[0].group: 239.0.0.1 drop is not an IPv4 or IPv6"),
    ({"ports": [{"port": 1, "group": "239.0.0.1", "protocol": "tcp"}]}, "ports[0].protocol: only udp can be sent to a"),
    ({"ports": [{"port": 1, "protocol": "sctp"}]}, "value of protocol must be one of: udp, tcp, got: sctp"),
    ({"ports": [{"port": 1, "source": "10.0.0.1/8"}]}, "ports[0].source: expected an address or a network such as"),
    ({"ports": [{"port": 1, "source": "0.0.0.0/0"}]}, "ports[0].source: 0.0.0.0/0 is not an address of senders; leave"),
    ({"ports": [{"port": 1, "source": "239.0.0.1"}]}, "ports[0].source: 239.0.0.1 is not an address of senders"),
    ({"ports": [dict(HELLO, source="fd00::1")]}, "ports[0].source: fd00::1 is of another family than the group"),
    ({"ports": [{"group": "239.0.0.1"}]}, "missing required arguments: port found in ports"),
    ({"protocols": ["udp"]}, "value of protocols must be one or more of: igmp, mld, pim. Got no match for: udp"),
])
def test_bad_input_is_refused_and_changes_nothing(lan, firewall, options, says):
    result = firewall(closed=True, **options)
    assert result["failed"] and says in result["msg"]
    assert ruleset(lan) == []
