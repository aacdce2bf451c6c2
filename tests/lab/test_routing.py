# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Routes and forwarding of a lab with routers: as `ip` shows them, mended, and good for a round trip."""
from __future__ import annotations

import subprocess

import pytest
from probe import answers
from two_routers import HOSTS, SEGMENTS

ROUTES = {
    "s": {"10.2.0.0/24 10.1.0.2 eth0", "10.3.0.0/24 10.1.0.2 eth0",
          "fd00:2::/64 fd00:1::2 eth0", "fd00:3::/64 fd00:1::2 eth0"},
    "r1": {"10.3.0.0/24 10.2.0.2 eth1", "fd00:3::/64 fd00:2::2 eth1"},
    "r2": {"10.1.0.0/24 10.2.0.1 eth0", "fd00:1::/64 fd00:2::1 eth0"},
    "t": {"10.1.0.0/24 10.3.0.1 eth0", "10.2.0.0/24 10.3.0.1 eth0",
          "fd00:1::/64 fd00:3::1 eth0", "fd00:2::/64 fd00:3::1 eth0"},
}
FORWARDING = ("net.ipv4.conf.all.forwarding", "net.ipv6.conf.all.forwarding")


def lab_of(name, hosts=None):
    return {"name": name, "segments": SEGMENTS, "hosts": hosts or HOSTS}


def routes(namespace, ip):
    return {f"{route['dst']} {route['gateway']} {route['dev']}" for family in ("-4", "-6")
            for route in ip("-n", namespace, family, "route") if "gateway" in route}


def inside(namespace, *words):
    return subprocess.run(["ip", "netns", "exec", namespace, *words], check=True, capture_output=True, text=True).stdout


def stands(lab, module, ip):
    for host, wanted in ROUTES.items():
        assert routes(f"{lab['name']}.{host}", ip) == wanted
    for host in ("r1", "r2"):
        assert inside(f"{lab['name']}.{host}", "sysctl", "-n", *FORWARDING).split() == ["1", "1"]
    assert not module("topology", lab)["changed"]


def test_what_crosses_two_routers_comes_back(lab_name, module, ip):
    lab = lab_of(lab_name)
    foretold = module("topology", lab, check=True)
    done = module("topology", lab)
    assert foretold == done
    assert done["diff"]["after"]["routes"][f"{lab_name}.r1"] == {
        "10.3.0.0/24": "10.2.0.2 on eth1", "fd00:3::/64": "fd00:2::2 on eth1"}
    assert done["diff"]["after"]["forwarding"] == {
        f"{lab_name}.{router}": {"ipv4": True, "ipv6": True} for router in ("r1", "r2")}
    stands(lab, module, ip)
    for address in ("10.3.0.2", "fd00:3::2"):
        assert answers(f"{lab_name}.s", address)


DRIFT = {
    "a route removed": "ip -n {lab}.s route del 10.3.0.0/24",
    "an IPv6 route removed": "ip -n {lab}.s -6 route del fd00:3::/64",
    "a route over another gateway": "ip -n {lab}.s route replace 10.3.0.0/24 via 10.1.0.9",
    "a route of ours too many": "ip -n {lab}.s route add 10.9.0.0/24 via 10.1.0.2 proto 77",
    "forwarding off": "ip netns exec {lab}.r1 sysctl -qw net.ipv4.conf.all.forwarding=0",
    "IPv6 forwarding off": "ip netns exec {lab}.r1 sysctl -qw net.ipv6.conf.all.forwarding=0",
    "link down": "ip -n {lab}.r1 link set eth1 down",
    "addresses gone": "ip -n {lab}.r1 address flush dev eth1 scope global",
    "another address": "ip -n {lab}.r1 address del 10.2.0.1/24 dev eth1",
    "interface gone": "ip -n {lab}.r1 link del eth1",
    "host gone": "ip netns delete {lab}.r1",
}


@pytest.mark.parametrize("drift", DRIFT)
def test_drift_is_mended(lab_name, module, ip, drift):
    lab = lab_of(lab_name)
    module("topology", lab)
    subprocess.run(DRIFT[drift].format(lab=lab_name).split(), check=True)
    foretold = module("topology", lab, check=True)
    done = module("topology", lab)
    assert done.get("changed"), done
    assert foretold == done
    stands(lab, module, ip)


def test_a_route_of_somebody_else_stays(lab_name, module, ip):
    module("topology", lab_of(lab_name))
    inside(f"{lab_name}.s", "ip", "route", "add", "192.0.2.0/24", "via", "10.1.0.7")
    assert not module("topology", lab_of(lab_name))["changed"]
    assert "192.0.2.0/24 10.1.0.7 eth0" in routes(f"{lab_name}.s", ip)


def test_routes_go_with_their_router(lab_name, module, ip):
    module("topology", lab_of(lab_name))
    without = {name: body for name, body in HOSTS.items() if name != "r2"}
    assert module("topology", lab_of(lab_name, without))["changed"]
    assert routes(f"{lab_name}.s", ip) == {"10.2.0.0/24 10.1.0.2 eth0", "fd00:2::/64 fd00:1::2 eth0"}
    assert routes(f"{lab_name}.t", ip) == set()
    assert module("topology", lab_of(lab_name))["changed"]
    stands(lab_of(lab_name), module, ip)
