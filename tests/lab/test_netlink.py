# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Our rtnetlink and namespaces beside `ip`: what one writes the other reads."""
from __future__ import annotations

import errno
import ipaddress
import os
import subprocess
import sys

import pytest
from ansible_collections.mcast.lab.plugins.module_utils.lab import netns
from ansible_collections.mcast.lab.plugins.module_utils.netlink.links import IFF_UP, Netlink


@pytest.fixture
def pair(lab_name, ip):
    """Two namespaces, joined by eth0 and eth0; yields their names and a Netlink in each."""
    names = [lab_name + end for end in (".a", ".b")]
    for name in names:
        ip("netns", "add", name)
    ip("link", "add", "eth0", "netns", names[0], "type", "veth", "peer", "name", "eth0", "netns", names[1])
    descriptors = [os.open(netns.path(name), os.O_RDONLY) for name in names]
    with Netlink(descriptors[0]) as first, Netlink(descriptors[1]) as second:
        yield names, (first, second)
    for descriptor in descriptors:
        os.close(descriptor)


def global_addresses(shown):
    return [f"{each['local']}/{each['prefixlen']}" for each in shown[0]["addr_info"] if each["scope"] == "global"]


def test_links_as_ip_shows_them(pair, ip):
    (name, unused), (netlink, unused) = pair
    ip("-n", name, "link", "add", "bridge0", "type", "bridge")
    ip("-n", name, "link", "set", "eth0", "master", "bridge0", "mtu", "1400", "up", "alias", "the uplink")
    ip("-n", name, "link", "set", "lo", "alias", "naïve — 群")
    have = netlink.links()
    shown = ip("-n", name, "link")
    assert list(have) == [link["ifname"] for link in shown]
    indices = {link["ifname"]: link["ifindex"] for link in shown}
    for link in shown:
        body = have[link["ifname"]]
        assert (body["index"], body["mtu"], body["mac"]) == (link["ifindex"], link["mtu"], link["address"])
        assert bool(body["flags"] & IFF_UP) == ("UP" in link["flags"])
        assert body["master"] == indices.get(link.get("master"))
        assert body["kind"] == link.get("linkinfo", {}).get("info_kind")
        assert body["alias"] == link.get("ifalias")


@pytest.mark.parametrize("address", ["10.9.0.1/24", "10.9.0.1/8", "10.9.0.0/31", "10.9.0.1/32", "fd00::1/64",
                                     "fd00::ff/128", "2001:db8::1/127"])
def test_addresses_as_ip_shows_them(pair, ip, address):
    (name, other), (netlink, second) = pair
    interface = ipaddress.ip_interface(address)
    netlink.add_address(netlink.index("eth0"), interface)
    shown = ip("-n", name, "address", "show", "dev", "eth0")
    assert global_addresses(shown) == [address]
    # The broadcast address is what ip would have set.
    ip("-n", other, "address", "add", address, "brd", "+", "dev", "eth0") if interface.version == 4 and (
        interface.network.prefixlen < 31) else ip("-n", other, "address", "add", address, "dev", "eth0")
    assert [each.get("broadcast") for each in shown[0]["addr_info"]] == [
        each.get("broadcast") for each in ip("-n", other, "address", "show", "dev", "eth0")[0]["addr_info"]]
    # Either reads what the other has made.
    for one in (netlink, second):
        assert [str(each) for each in one.addresses()[one.index("eth0")]] == [address]
        one.delete_address(one.index("eth0"), interface)
        assert one.addresses() == {}


ROUTES = [("224.0.0.0/4", None, 0), ("239.0.0.0/8", None, 7), ("0.0.0.0/0", "10.9.0.254", 0), ("ff00::/8", None, 1024),
          ("10.2.0.0/16", "10.9.0.254", 50), ("::/0", "fd00::fe", 1024), ("2001:db8::/32", None, 5),
          ("232.1.2.3/32", None, 4294967295)]


@pytest.mark.parametrize(("destination", "gateway", "metric"), ROUTES)
def test_routes_as_ip_shows_them(pair, ip, destination, gateway, metric):
    """Each is made by us and by ip, on two hosts that are otherwise alike: they must not differ in anything."""
    names, netlinks = pair
    for name in names:
        ip("-n", name, "address", "add", "10.9.0.1/24", "dev", "eth0")
        ip("-n", name, "address", "add", "fd00::1/64", "dev", "eth0", "nodad")
        ip("-n", name, "link", "set", "eth0", "up")
    network = ipaddress.ip_network(destination)
    family = f"-{network.version}"
    words = [destination] + (["via", gateway] if gateway else []) + ["dev", "eth0", "proto", "static"]
    ip("-n", names[1], family, "route", "add", *words, *(["metric", str(metric)] if metric else []))
    route = {"destination": network, "index": netlinks[0].index("eth0"), "metric": metric,
             "gateway": ipaddress.ip_address(gateway) if gateway else None}
    netlinks[0].add_route(route)
    ours, theirs = (ip("-n", name, family, "route", "show", "exact", destination) for name in names)
    assert ours == theirs and len(ours) == 1
    assert all(route in netlink.routes(network.version) for netlink in netlinks)
    for name, netlink in zip(names, netlinks):
        netlink.delete_route(route)
        assert ip("-n", name, family, "route", "show", "exact", destination) == []


def test_a_cable_between_namespaces(pair, ip):
    (name, other), (netlink, second) = pair
    netlink.add_bridge("lan", "02:00:00:00:00:01")
    descriptor = os.open(netns.path(other), os.O_RDONLY)
    netlink.add_veth("p1", "02:00:00:00:00:02", netlink.index("lan"), "eth1", "02:00:00:00:00:03", descriptor)
    os.close(descriptor)
    port, peer = ip("-n", name, "link", "show", "p1")[0], ip("-n", other, "link", "show", "eth1")[0]
    assert (port["address"], port["master"], "UP" in port["flags"]) == ("02:00:00:00:00:02", "lan", True)
    assert (peer["address"], "UP" in peer["flags"]) == ("02:00:00:00:00:03", False)
    second.set_up(second.index("eth1"), alias="x")
    assert ip("-n", other, "link", "show", "eth1")[0]["ifalias"] == "x"
    assert second.alias(second.index("eth1")) == "x" and netlink.alias(netlink.index("p1")) is None
    index = netlink.index("p1")
    for _unused in range(2):  # gone already is as good
        netlink.delete_link(index)
    assert "eth1" not in second.links() and "p1" not in netlink.links()


REFUSED = {
    "no such link": (lambda netlink: netlink.index("eth9"), errno.ENODEV, "eth9"),
    "address twice": (lambda netlink: [netlink.add_address(1, ipaddress.ip_interface("127.9.9.9/8"))
                                       for unused in range(2)], errno.EEXIST, "127.9.9.9/8"),
    "address not there": (lambda netlink: netlink.delete_address(1, ipaddress.ip_interface("10.0.0.1/8")),
                          errno.EADDRNOTAVAIL, "10.0.0.1/8"),
    "MTU too large": (lambda netlink: netlink.set_mtu(netlink.index("eth0"), 70000), errno.EINVAL, "mtu 70000"),
    "bridge twice": (lambda netlink: [netlink.add_bridge("lan", "02:00:00:00:00:01") for unused in range(2)],
                     errno.EEXIST, "lan"),
    "no such route": (lambda netlink: netlink.delete_route({
        "destination": ipaddress.ip_network("224.0.0.0/4"), "index": 1, "gateway": None, "metric": 0}),
        errno.ESRCH, "route 224.0.0.0/4"),
    "route over a link that is down": (lambda netlink: netlink.add_route({
        "destination": ipaddress.ip_network("224.0.0.0/4"), "index": netlink.index("eth0"), "gateway": None,
        "metric": 0}), errno.ENETDOWN, "route 224.0.0.0/4"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_kernel_refuses_names_the_thing(pair, name):
    act, number, about = REFUSED[name]
    with pytest.raises(OSError) as refused:
        act(pair[1][0])
    assert (refused.value.errno, refused.value.filename) == (number, about)


def test_a_dump_of_many_parts(pair, ip):
    (name, unused), (netlink, unused) = pair
    lines = [f"address add 10.{number // 250}.{number % 250}.1/24 dev eth0" for number in range(1500)]
    lines += [f"link add b{number} type bridge" for number in range(60)] + ["link set eth0 up"]
    lines += [f"route add 232.{number // 250}.{number % 250}.0/24 dev eth0" for number in range(1500)]
    subprocess.run(["ip", "-n", name, "-batch", "-"], input="\n".join(lines), text=True, check=True)
    assert len(netlink.links()) == 62
    addresses = [str(each) for each in netlink.addresses()[netlink.index("eth0")]]
    assert addresses[:1500] == global_addresses(ip("-n", name, "address", "show", "dev", "eth0"))
    routes = netlink.routes(4)
    assert len([route for route in routes if route["destination"].is_multicast]) == 1500
    assert len(routes) == len(ip("-n", name, "route"))


# namespaces


def test_a_namespace_as_ip_knows_it(lab_name, ip):
    home = os.readlink("/proc/thread-self/ns/net")
    descriptor = netns.create(lab_name, lambda: subprocess.run(["ip", "link", "set", "lo", "up"], check=True))
    assert os.readlink("/proc/thread-self/ns/net") == home
    assert lab_name in netns.names() and lab_name in [each["name"] for each in ip("netns", "list")]
    assert "UP" in ip("-n", lab_name, "link", "show", "lo")[0]["flags"]
    with netns.inside(descriptor):
        assert os.stat("/proc/thread-self/ns/net").st_ino == os.fstat(descriptor).st_ino
    assert os.readlink("/proc/thread-self/ns/net") == home
    os.close(descriptor)
    with pytest.raises(FileExistsError):
        netns.create(lab_name, lambda: None)
    assert lab_name in netns.names()
    netns.delete(lab_name)
    assert lab_name not in netns.names() and not os.path.exists(netns.path(lab_name))


def test_a_namespace_whose_preparation_fails_was_never_there(lab_name):
    home = os.readlink("/proc/thread-self/ns/net")

    def refuse():
        raise OSError(errno.EPERM, "no")

    with pytest.raises(PermissionError):
        netns.create(lab_name, refuse)
    assert lab_name not in netns.names()
    assert os.readlink("/proc/thread-self/ns/net") == home


def test_what_fails_inside_a_namespace_leads_home(pair):
    names, unused = pair
    home = os.readlink("/proc/thread-self/ns/net")
    descriptor = os.open(netns.path(names[0]), os.O_RDONLY)
    with pytest.raises(ZeroDivisionError), netns.inside(descriptor):
        assert os.readlink("/proc/thread-self/ns/net") != home
        raise ZeroDivisionError
    os.close(descriptor)
    assert os.readlink("/proc/thread-self/ns/net") == home


def test_processes_are_told_by_namespace(pair):
    names, unused = pair
    inodes = [os.stat(netns.path(name)).st_ino for name in names]
    running = [subprocess.Popen(["ip", "netns", "exec", name, sys.executable, "-c", "print(flush=True); input()"],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE) for name in names]
    try:
        for process in running:
            process.stdout.read(1)
        assert netns.processes(inodes) == {process.pid: inode for process, inode in zip(running, inodes)}
        netns.end_processes(inodes[:1])
        assert netns.processes(inodes) == {running[1].pid: inodes[1]}
    finally:
        for process in running:
            with process:
                process.kill()
