# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The modules interface, forwarding and route: what they change, `ip` and the kernel's settings show; what they only
foretell, they don't."""
from __future__ import annotations

import subprocess

import pytest
import yaml

SETTINGS = ("net/ipv4/conf/eth0/force_igmp_version", "net/ipv6/conf/eth0/force_mld_version",
            "net/ipv4/conf/eth0/rp_filter", "net/ipv4/conf/all/forwarding", "net/ipv6/conf/all/forwarding")


@pytest.fixture
def host(lab_name, ip):
    """A namespace with eth0, up, 10.7.0.1/24 and fd00:7::1/64, joined to another by a cable."""
    name, other = f"{lab_name}.host", f"{lab_name}.other"
    for each in (name, other):
        ip("netns", "add", each)
    ip("link", "add", "eth0", "netns", name, "type", "veth", "peer", "name", "eth0", "netns", other)
    ip("-n", other, "link", "set", "eth0", "up")
    ip("-n", name, "address", "add", "10.7.0.1/24", "brd", "+", "dev", "eth0")
    ip("-n", name, "address", "add", "fd00:7::1/64", "dev", "eth0", "nodad")
    ip("-n", name, "link", "set", "eth0", "up")
    return name


@pytest.fixture
def look(host, ip):
    """look(): flags, MTU, addresses, settings and routes of the host, as others than we tell them."""
    def shown():
        link = ip("-n", host, "address", "show", "dev", "eth0")[0]
        values = subprocess.run(["ip", "netns", "exec", host, "cat", *(f"/proc/sys/{each}" for each in SETTINGS)],
                                check=True, capture_output=True, text=True).stdout.split()
        return {
            "flags": set(link["flags"]) - {"BROADCAST", "LOWER_UP", "NO-CARRIER"}, "mtu": link["mtu"],
            "addresses": [f"{each['local']}/{each['prefixlen']}" for each in link["addr_info"]
                          if each["scope"] != "link"],
            "brd": [each.get("broadcast") for each in link["addr_info"] if each["family"] == "inet"],
            "settings": dict(zip(SETTINGS, map(int, values))),
            "routes": {(each["dst"], each["dev"], each.get("gateway"), each.get("metric", 0))
                       for family in ("-4", "-6") for each in ip("-n", host, family, "route")
                       if each["protocol"] == "static"},
        }
    return shown


@pytest.fixture
def changes(host, look, module):
    """changes(MODULE, OPTIONS): check mode foretells and changes nothing; the run does it; a second has nothing left.
    Returns (the result, what is other than before)."""
    def run(name, options):
        before = look()
        foretold = module(name, options, check=True, namespace=host)
        assert look() == before
        done = module(name, options, namespace=host)
        after = look()
        assert "changed" in done, done
        assert (foretold["changed"], foretold["diff"]) == (done["changed"], done["diff"])
        assert done["changed"] == (done["diff"]["before"] != done["diff"]["after"])
        again = module(name, options, namespace=host)
        assert not again["changed"] and again["diff"] == {"before": {}, "after": {}} and look() == after
        return done, {key: after[key] for key in after if after[key] != before[key]}
    return run


UP = {"UP", "MULTICAST"}
ADDRESSES = ["10.7.0.1/24", "fd00:7::1/64"]
IGMP, MLD, RP, FORWARD4, FORWARD6 = SETTINGS


# options: what the diff tells before and after, and what is other than before on the host
INTERFACE = {
    "nothing": ({}, {}, {}, {}),
    "as it is": ({"state": "up", "multicast": True, "allmulti": False, "promisc": False, "arp": True, "mtu": 1500,
                  "addresses": ADDRESSES, "purge_addresses": True, "igmp_version": 0, "mld_version": 0}, {}, {}, {}),
    "down": ({"state": "down"}, {"state": "up"}, {"state": "down"},
             {"flags": {"MULTICAST"}, "addresses": ["10.7.0.1/24"]}),
    "multicast off": ({"multicast": False}, {"multicast": True}, {"multicast": False}, {"flags": {"UP"}}),
    "allmulti": ({"allmulti": True}, {"allmulti": False}, {"allmulti": True}, {"flags": UP | {"ALLMULTI"}}),
    "promisc": ({"promisc": True}, {"promisc": False}, {"promisc": True}, {"flags": UP | {"PROMISC"}}),
    "no arp": ({"arp": False}, {"arp": True}, {"arp": False}, {"flags": UP | {"NOARP"}}),
    "mtu": ({"mtu": 9000}, {"mtu": 1500}, {"mtu": 9000}, {"mtu": 9000}),
    "address more": ({"addresses": ["10.8.0.1/16"]}, {"addresses": ["10.7.0.1/24", "fd00:7::1/64", "link-local"]},
                     {"addresses": ["10.7.0.1/24", "fd00:7::1/64", "link-local", "10.8.0.1/16"]},
                     {"addresses": ["10.7.0.1/24", "10.8.0.1/16", "fd00:7::1/64"],
                      "brd": ["10.7.0.255", "10.8.255.255"]}),
    "address instead": ({"addresses": ["10.8.0.1/31"], "purge_addresses": True},
                        {"addresses": ["10.7.0.1/24", "fd00:7::1/64", "link-local"]},
                        {"addresses": ["link-local", "10.8.0.1/31"]}, {"addresses": ["10.8.0.1/31"], "brd": [None]}),
    "other prefix": ({"addresses": ["10.7.0.1/16", "fd00:7::1/64"], "purge_addresses": True},
                     {"addresses": ["10.7.0.1/24", "fd00:7::1/64", "link-local"]},
                     {"addresses": ["fd00:7::1/64", "link-local", "10.7.0.1/16"]},
                     {"addresses": ["10.7.0.1/16", "fd00:7::1/64"], "brd": ["10.7.255.255"]}),
    "no address": ({"addresses": [], "purge_addresses": True},
                   {"addresses": ["10.7.0.1/24", "fd00:7::1/64", "link-local"]}, {"addresses": ["link-local"]},
                   {"addresses": [], "brd": []}),
    "none without purge": ({"addresses": []}, {}, {}, {}),
    "IGMPv1": ({"igmp_version": 1}, {"igmp_version": 0}, {"igmp_version": 1}, {"settings": {IGMP: 1}}),
    "IGMPv2": ({"igmp_version": 2}, {"igmp_version": 0}, {"igmp_version": 2}, {"settings": {IGMP: 2}}),
    "IGMPv3": ({"igmp_version": 3}, {"igmp_version": 0}, {"igmp_version": 3}, {"settings": {IGMP: 3}}),
    "MLDv1": ({"mld_version": 1}, {"mld_version": 0}, {"mld_version": 1}, {"settings": {MLD: 1}}),
    "MLDv2": ({"mld_version": 2}, {"mld_version": 0}, {"mld_version": 2}, {"settings": {MLD: 2}}),
    "strict": ({"rp_filter": "strict"}, {"rp_filter": 0}, {"rp_filter": 1}, {"settings": {RP: 1}}),
    "loose": ({"rp_filter": "loose"}, {"rp_filter": 0}, {"rp_filter": 2}, {"settings": {RP: 2}}),
    "all at once": ({"allmulti": True, "promisc": True, "mtu": 1400, "igmp_version": 2, "mld_version": 1},
                    {"allmulti": False, "promisc": False, "mtu": 1500, "igmp_version": 0, "mld_version": 0},
                    {"allmulti": True, "promisc": True, "mtu": 1400, "igmp_version": 2, "mld_version": 1},
                    {"flags": UP | {"ALLMULTI", "PROMISC"}, "mtu": 1400, "settings": {IGMP: 2, MLD: 1}}),
}


def set_to(host, setting, value):
    subprocess.run(["ip", "netns", "exec", host, "tee", f"/proc/sys/{setting}"], check=True, text=True,
                   input=f"{value}\n", stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("name", INTERFACE)
def test_interface(host, ip, changes, look, name):
    options, before, after, others = INTERFACE[name]
    for each in (RP, RP.replace("eth0", "all")):
        set_to(host, each, 0)
    link_local = [f"{each['local']}/{each['prefixlen']}" for each in
                  ip("-n", host, "address", "show", "dev", "eth0")[0]["addr_info"] if each["scope"] == "link"]
    untouched = look()
    result, other = changes("interface", dict(options, name="eth0"))
    assert result["changed"] == bool(others)
    for told, wanted in ((result["diff"]["before"], before), (result["diff"]["after"], after)):
        shown = told.get("eth0", {})
        if "addresses" in shown:
            shown["addresses"] = ["link-local" if each in link_local else each for each in shown["addresses"]]
        assert shown == wanted
    if "settings" in others:
        others = dict(others, settings=dict(untouched["settings"], **others["settings"]))
    assert other == others
    assert result["effective"]["rp_filter"] == options.get("rp_filter", "off")


@pytest.mark.parametrize("purge", [True, False])
def test_interface_goes_down_and_up_with_its_addresses_in_one_run_each(changes, look, purge):
    """An interface that goes down loses its IPv6 addresses: those wanted are back after the same run."""
    for state in ("down", "up"):
        assert changes("interface", {"name": "eth0", "state": state, "addresses": ADDRESSES,
                                     "purge_addresses": purge})[0]["changed"]
        assert look()["addresses"] == ADDRESSES and ("UP" in look()["flags"]) == (state == "up")
    changes("interface", {"name": "eth0", "state": "down", "addresses": [], "purge_addresses": True})
    assert look()["addresses"] == []


@pytest.mark.parametrize(("whole", "own", "effective"), [
    (0, 0, "off"), (1, 0, "strict"), (0, 2, "loose"), (2, 1, "loose"), (1, 1, "strict")])
def test_the_larger_rp_filter_is_in_force(host, module, whole, own, effective):
    set_to(host, RP.replace("eth0", "all"), whole)
    set_to(host, RP, own)
    assert module("interface", {"name": "eth0"}, namespace=host)["effective"] == {"rp_filter": effective}


def test_interfaces_with_dots_in_their_names(host, ip, module):
    ip("-n", host, "link", "set", "eth0", "down")
    ip("-n", host, "link", "set", "eth0", "name", "eth0.100")
    options = {"name": "eth0.100", "state": "up", "igmp_version": 2, "rp_filter": "loose"}
    assert module("interface", options, namespace=host)["changed"]
    assert not module("interface", options, namespace=host)["changed"]
    assert ip("-n", host, "link", "show", "eth0.100")[0]["operstate"] == "UP"


# module, options, and what the message says
BAD = [
    ("interface", {"name": "eth9"}, "interface eth9: is not there; there are eth0, lo"),
    ("interface", {"name": "eth0", "state": "sideways"}, "value of state must be one of: up, down, got: sideways"),
    ("interface", {"name": "eth0", "igmp_version": 4}, "value of igmp_version must be one of: 0, 1, 2, 3, got: 4"),
    ("interface", {"name": "eth0", "mld_version": 3}, "value of mld_version must be one of: 0, 1, 2, got: 3"),
    ("interface", {"name": "eth0", "mtu": 67}, "mtu: expected a whole number from 68 to 65535, not 67"),
    ("interface", {"name": "eth0", "mtu": 65536}, "mtu: expected a whole number from 68 to 65535, not 65536"),
    ("interface", {"name": "eth0", "addresses": ["10.7.0.1/24", "10.8.0.1"]}, "addresses[1]: expected an address with"),
    ("interface", {"name": "eth0", "addresses": ["10.7.0.1/33"]}, "addresses[0]: expected an address with prefix"),
    ("interface", {"name": "eth0", "addresses": ["239.1.1.1/24"]}, "addresses[0]: 239.1.1.1/24 is a group, not the"),
    ("interface", {"name": "eth0", "addresses": [""]}, "addresses[0]: expected an address with prefix"),
    ("interface", {}, "missing required arguments: name"),
    ("forwarding", {}, "one of the following is required: ipv4, ipv6"),
    ("route", {"destination": "224.0.0.0/4", "interface": "eth9"}, "interface eth9: is not there; there are eth0, lo"),
    ("route", {"destination": "224.0.0.1/4", "interface": "eth0"}, "destination: expected a network such as"),
    ("route", {"destination": "all", "interface": "eth0"}, "destination: expected a network such as 224.0.0.0/4"),
    ("route", {"destination": "224.0.0.0/4", "interface": "eth0", "gateway": "10.7.0.254"}, "gateway: "),
    ("route", {"destination": "10.0.0.0/8", "interface": "eth0", "gateway": "fd00::1"}, "gateway: "),
    ("route", {"destination": "10.0.0.0/8", "interface": "eth0", "gateway": "next"}, "gateway: expected an address"),
    ("route", {"destination": "10.0.0.0/8", "interface": "eth0", "metric": -1}, "metric: expected a whole number"),
    ("route", {"destination": "10.0.0.0/8", "interface": "eth0", "metric": 2 ** 32}, "metric: expected a whole number"),
]


@pytest.mark.parametrize(("name", "options", "message"), BAD)
def test_bad_input_changes_nothing(host, look, module, name, options, message):
    before = look()
    for check in (True, False):
        # What is good beside it is not done either.
        further = {"promisc": True} if name == "interface" else {}
        result = module(name, dict(further, **options), check=check, namespace=host)
        assert result["failed"] and message in result["msg"], result
    assert look() == before


def test_what_the_kernel_refuses_names_the_thing(host, look, module):
    options = {"destination": "10.99.0.0/16", "interface": "eth0", "gateway": "192.0.2.1"}
    result = module("route", options, namespace=host)
    assert result["failed"] and "routes 10.99.0.0/16: Network is unreachable" in result["msg"]
    assert look()["routes"] == set()


FORWARDING = [
    ((0, 0), {"ipv4": True}, (1, 0)), ((0, 0), {"ipv6": True}, (0, 1)), ((0, 0), {"ipv4": True, "ipv6": True}, (1, 1)),
    ((1, 1), {"ipv4": False}, (0, 1)), ((1, 1), {"ipv6": False, "ipv4": True}, (1, 0)),
    ((1, 0), {"ipv4": True, "ipv6": False}, (1, 0)),
]


@pytest.mark.parametrize(("before", "options", "after"), FORWARDING)
def test_forwarding(host, changes, look, before, options, after):
    for setting, value in zip((FORWARD4, FORWARD6), before):
        set_to(host, setting, value)
    result, unused = changes("forwarding", options)
    assert result["changed"] == (before != after)
    assert result["forwarding"] == {"ipv4": bool(after[0]), "ipv6": bool(after[1])}
    assert (look()["settings"][FORWARD4], look()["settings"][FORWARD6]) == after
    assert result["diff"]["after"] == {family: value for family, value, was in zip(
        ("ipv4", "ipv6"), map(bool, after), map(bool, before)) if value != was}


# options, and the route as `ip` shows it: destination, gateway and metric
ROUTES = [
    ({"destination": "224.0.0.0/4"}, ("224.0.0.0/4", None, 0)),
    ({"destination": "239.0.0.0/8"}, ("239.0.0.0/8", None, 0)),
    ({"destination": "239.0.0.0/8", "metric": 7}, ("239.0.0.0/8", None, 7)),
    ({"destination": "232.1.2.3/32"}, ("232.1.2.3", None, 0)),
    ({"destination": "232.1.2.3"}, ("232.1.2.3", None, 0)),
    ({"destination": "ff00::/8"}, ("ff00::/8", None, 1024)),
    ({"destination": "FF15:0::/16", "metric": 9}, ("ff15::/16", None, 9)),
    ({"destination": "10.99.0.0/16", "gateway": "10.7.0.254"}, ("10.99.0.0/16", "10.7.0.254", 0)),
    ({"destination": "0.0.0.0/0", "gateway": "10.7.0.254", "metric": 50}, ("default", "10.7.0.254", 50)),
    ({"destination": "2001:db8::/32", "gateway": "fd00:7::fe"}, ("2001:db8::/32", "fd00:7::fe", 1024)),
    ({"destination": "::/0", "gateway": "fd00:7::fe", "metric": 4294967295}, ("default", "fd00:7::fe", 4294967295)),
]


@pytest.mark.parametrize(("options", "shown"), ROUTES)
def test_route(changes, look, options, shown):
    options = dict(options, interface="eth0")
    destination, gateway, metric = shown
    result, unused = changes("route", options)
    assert result["changed"] and look()["routes"] == {(destination, "eth0", gateway, metric)}
    told = result["route"]
    assert result["diff"] == {"before": {}, "after": {"routes": {told["destination"]: told}}}
    assert (told["interface"], told["gateway"], told["metric"]) == ("eth0", gateway, metric)
    # One of another metric is another route.
    further = dict(options, metric=metric + 1 if metric < 2 ** 32 - 1 else 1)
    changes("route", further)
    assert len(look()["routes"]) == 2
    changes("route", dict(further, state="absent"))
    result, unused = changes("route", dict(options, state="absent"))
    assert result["changed"] and look()["routes"] == set()
    assert result["diff"] == {"before": {"routes": {told["destination"]: told}}, "after": {}}


def test_all_of_them_by_ansible_through_the_connection(host, look, lab_name, tmp_path, play):
    """The modules as Ansible ships them, with the Python of the host: the rows above in one run."""
    set_to(host, RP, 0)
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": {"host": {"mcast_netns": host}}, "vars": {
        "ansible_connection": "mcast.lab.netns", "ansible_python_interpreter": "/usr/bin/python3"}}}))
    tasks = [
        {"mcast.lab.interface": {"name": "eth0", "allmulti": True, "promisc": True, "mtu": 1400, "igmp_version": 2,
                                 "mld_version": 1, "rp_filter": "loose", "addresses": ["10.8.0.1/16", "fd00:8::1/64"],
                                 "purge_addresses": True}},
        {"mcast.lab.forwarding": {"ipv4": True, "ipv6": True}},
        {"mcast.lab.route": {"destination": "224.0.0.0/4", "interface": "eth0"}},
        {"mcast.lab.route": {"destination": "ff00::/8", "interface": "eth0"}},
        {"mcast.lab.route": {"destination": "10.99.0.0/16", "interface": "eth0", "gateway": "10.8.0.254"}},
        {"mcast.lab.interface": {"name": "eth9"}},
    ]
    before = look()
    foretold = play(tmp_path, tmp_path / "hosts.yml", [dict(task, check_mode=True) for task in tasks])["host"]
    assert look() == before
    seen = play(tmp_path, tmp_path / "hosts.yml", tasks + [dict(task) for task in tasks])["host"]
    assert [result["changed"] for result in seen] == [True] * 5 + [False] * 7
    assert [result["changed"] for result in foretold] == [True] * 5 + [False]
    assert "interface eth9: is not there; there are eth0, lo" in seen[5]["msg"]
    assert look() == {
        "flags": UP | {"ALLMULTI", "PROMISC"}, "mtu": 1400, "addresses": ["10.8.0.1/16", "fd00:8::1/64"],
        "brd": ["10.8.255.255"], "settings": {IGMP: 2, MLD: 1, RP: 2, FORWARD4: 1, FORWARD6: 1},
        "routes": {("224.0.0.0/4", "eth0", None, 0), ("ff00::/8", "eth0", None, 1024),
                   ("10.99.0.0/16", "eth0", "10.8.0.254", 0)}}
