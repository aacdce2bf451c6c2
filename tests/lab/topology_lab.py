# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A lab for the tests of the module topology: what is written, what must follow from it, and what `ip` says of it."""
from __future__ import annotations

import os

from ansible_collections.mcast.lab.plugins.module_utils.lab import netns
from ansible_collections.mcast.lab.plugins.module_utils.lab.topology import settle
from ansible_collections.mcast.lab.plugins.module_utils.netlink.links import Netlink

SEGMENTS = {"lan": {"ipv4": "192.168.122.0/24", "ipv6": "fd00:122::/64"}, "spare": {"ipv4": "10.9.0.0/29"}, "bare": {}}
HOSTS = {
    "client": {"interfaces": {"eth0": {"segment": "lan", "ipv4": "192.168.122.181"}}},
    "server": {"interfaces": {"eth0": {"segment": "lan", "ipv6": "fd00:122::99"}, "eth1": {"segment": "spare"},
                              "tap": {"segment": "bare"}}},
    "routers": {"interfaces": {"eth0": {"segment": "lan"}, "eth1": {"segment": "spare", "ipv4": "10.9.0.6"}}},
}


def lab_of(name, segments=None, hosts=None):
    return {"name": name, "segments": segments or SEGMENTS, "hosts": hosts or HOSTS}


def owned(name):
    return [each for each in netns.names() if each.split(".")[0] == name]


def offload(namespace, link, wanted=None):
    """Whether a link is to fill in the checksums of what it sends; as it is `wanted` from now on."""
    descriptor = os.open(netns.path(namespace), os.O_RDONLY)
    try:
        with Netlink(descriptor) as netlink:
            if wanted is not None:
                netlink.offload_checksums(link, wanted)
            return netlink.offloads_checksums(link)
    finally:
        os.close(descriptor)


def state(name, ip):
    """The whole of a lab as `ip` shows it: per namespace and link its state, MAC, master and addresses; and of cables
    whether they leave checksums open."""
    found = {}
    for namespace in owned(name):
        links = {}
        for link in ip("-n", namespace, "address", "show"):
            addresses = [f"{each['local']}/{each['prefixlen']}" for each in link["addr_info"]
                         if each["scope"] == "global"]
            links[link["ifname"]] = {
                "up": "UP" in link["flags"], "mac": link["address"], "master": link.get("master"),
                "kind": link.get("linkinfo", {}).get("info_kind"), "alias": link.get("ifalias"),
                "addresses": addresses}
            if links[link["ifname"]]["kind"] == "veth":
                links[link["ifname"]]["offload"] = offload(namespace, link["ifname"])
        found[namespace] = links
    return found


def expected(lab):
    """The same, from what the user wrote, with the addresses and names that settling gave."""
    settled = settle(lab, lab["name"])
    loopback = {"up": True, "mac": "00:00:00:00:00:00", "master": None, "kind": None,
                "alias": f"mcast.lab:{lab['name']}", "addresses": []}
    found = {lab["name"]: {"lo": loopback}}
    switches = found[lab["name"]]
    for segment in settled["segments"].values():
        switches[segment["bridge"]] = {"up": True, "master": None, "kind": "bridge", "alias": None, "addresses": []}
    for host in settled["hosts"].values():
        links = found[host["namespace"]] = {"lo": dict(loopback)}
        for name, interface in host["interfaces"].items():
            cable = {"up": True, "master": None, "kind": "veth", "alias": None, "addresses": [],
                     "offload": False}
            links[name] = dict(cable, mac=interface["mac"], addresses=[
                interface[family] for family in ("ipv4", "ipv6") if interface[family]])
            switches[interface["port"]] = dict(cable, master=settled["segments"][interface["segment"]]["bridge"])
    return found


def flat(found):
    return {(name, link, str(sorted(body.items()))) for name, links in found.items() for link, body in links.items()}


def without_switch_macs(found, name):
    for link, body in found[name].items():
        if link != "lo":
            del body["mac"]
    return found


def many(count, segments=3):
    networks = {f"s{number}": {"ipv4": f"10.{number}.0.0/22", "ipv6": f"fd00:{number}::/64"}
                for number in range(segments)}
    return networks, {f"h{number}": {"interfaces": {
        f"eth{one}": {"segment": segment} for one, segment in enumerate(networks)}} for number in range(count)}


def stands(lab, module, ip):
    """The lab is as it is written, and a further run says so."""
    have, want = without_switch_macs(state(lab["name"], ip), lab["name"]), expected(lab)
    # As sets, so that a failure shows what differs and nothing else.
    assert flat(have) ^ flat(want) == set()
    again = module("topology", lab)
    assert again.pop("topology") == settle(lab, lab["name"])
    assert again == {"changed": False, "made": False, "diff": {"before": {}, "after": {}}}
