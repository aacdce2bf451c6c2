# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Interfaces: what they are, their addresses, and their settings under /proc/sys/net."""
from __future__ import annotations

import re
from typing import Any, Iterable

from .rows import ipv6_network, mac, rows, unexpected_line

# include/uapi/linux/if.h, the bits that `ip` prints as words too. IFF_RUNNING is not kept in the file.
_FLAGS = {
    0x1: "up", 0x2: "broadcast", 0x8: "loopback", 0x10: "pointopoint", 0x80: "noarp", 0x100: "promisc",
    0x200: "allmulti", 0x400: "master", 0x800: "slave", 0x1000: "multicast", 0x8000: "dynamic", 0x10000: "lower_up",
}
_LINK = re.compile(r"(?P<index>\d{1,10}): (?P<name>\S+): <(?P<flags>[\w,-]*)> mtu (?P<mtu>\d{1,10})(\s.*)?\Z",
                   re.ASCII)
_MAC = re.compile(r"\s+link/\S+ (?P<mac>[0-9a-f]{2}(:[0-9a-f]{2})+)(\s.*)?\Z")
_INET = re.compile(r"\s+inet (?P<address>\d{1,3}(\.\d{1,3}){3})( peer \S+?)?/(?P<prefix>\d{1,2})(\s.*)?\Z", re.ASCII)
_INET_HOST = re.compile(r"\s+inet (?P<address>\d{1,3}(\.\d{1,3}){3})(\s.*)?\Z", re.ASCII)
_IF_INET6 = re.compile(r"(?P<address>[0-9a-f]{32}) [0-9a-f]+ (?P<prefix>[0-9a-f]{2}) [0-9a-f]{2} "
                       r"(?P<flags>[0-9a-f]{2,8})\s+(?P<name>\S+)\Z")
_TENTATIVE = 0x40  # IFA_F_TENTATIVE: duplicate address detection has not ended
_DEV_MCAST = re.compile(r"(?P<index>\d{1,10})\s+(?P<name>\S+)\s+(?P<users>\d{1,10})\s+(?P<static>-?\d{1,10})\s+"
                        r"(?P<mac>([0-9a-f]{2})+)\s*\Z", re.ASCII)
_SYSFS = re.compile(r"/sys/class/net/(?P<name>[^/]+)/(?P<key>\w+):(?P<value>.*)\Z")
_CONF = re.compile(r"/proc/sys/net/ipv[46]/conf/(?P<name>[^/]+)/\w+:\s*(?P<value>-?\d{1,10})\s*\Z", re.ASCII)


def _flags(words: Iterable[str]) -> list[str]:
    """`ip` shows NO-CARRIER where an interface is up and not running, and else leaves running out."""
    words = [word.lower() for word in words if word]
    if "up" in words and "no-carrier" not in words:
        words.append("running")
    return sorted(word for word in words if word != "no-carrier")


def ip_addr(text: str, names: dict[int, str] | None = None) -> dict[str, dict[str, Any]]:
    """text: of `ip addr show` (iproute2 or busybox); names: ``{index: name}`` as far as other tables have them. It
    prints NAME@PEER, and a name may hold an @ itself. Returns ``{name: {"index": int, "flags": [word, …],
    "mtu": bytes, "mac": text or None, "addresses": [IPv4 address]}}``; see address() for the shape of these."""
    found: dict[str, dict[str, Any]] = {}
    link: dict[str, Any] | None = None
    for line in text.split("\n"):
        if line and not line[0].isspace():
            match = _LINK.match(line)
            if not match:
                raise unexpected_line("ip addr show", line)
            link = found[_name(match["name"], (names or {}).get(int(match["index"])))] = {
                "index": int(match["index"]), "flags": _flags(match["flags"].split(",")), "mtu": int(match["mtu"]),
                "mac": None, "addresses": []}
        elif link:
            match = _MAC.match(line)
            if match:
                link["mac"] = match["mac"]
            match = _INET.match(line) or _INET_HOST.match(line)
            if match:
                link["addresses"].append(address("ipv4", match["address"], int(match.groupdict().get("prefix", 32))))
    return found


def _name(word: str, known: str | None) -> str:
    """The name of an interface that `ip` prints as NAME or NAME@PEER."""
    if known is not None and (word == known or word.startswith(f"{known}@")):
        return known
    return word.rpartition("@")[0] or word


def names(text: str | None) -> dict[int, str]:
    """text: of /proc/net/dev_mcast. Returns ``{index: name}`` of the interfaces that it has."""
    return {int(match["index"]): match["name"] for match in rows("/proc/net/dev_mcast", text, _DEV_MCAST)}


def address(family: str, text: str, prefix: int, tentative: bool = False) -> dict[str, Any]:
    """One address of an interface. tentative: not usable before duplicate address detection ends."""
    return {"family": family, "address": text, "prefix": prefix, "tentative": tentative}


def sysfs(text: str | None) -> dict[str, dict[str, Any]]:
    """text: lines ``/sys/class/net/NAME/KEY:value``. Returns what ip_addr() does; `addresses` is empty."""
    raw: dict[str, dict[str, str]] = {}
    for match in rows("/sys/class/net", text, _SYSFS):
        raw.setdefault(match["name"], {})[match["key"]] = match["value"].strip()
    return {name: _sysfs_link(values) for name, values in raw.items() if "ifindex" in values}


def _sysfs_link(values: dict[str, str]) -> dict[str, Any]:
    try:
        bits, index, mtu = (int(values.get(key, "0"), base)
                            for key, base in (("flags", 16), ("ifindex", 10), ("mtu", 10)))
    except ValueError:
        raise unexpected_line("/sys/class/net", str(values)) from None
    flags = [word for bit, word in _FLAGS.items() if bits & bit]
    if bits & 1 and values.get("operstate") in ("up", "unknown"):
        flags.append("running")
    return {"index": index, "flags": sorted(flags), "mtu": mtu, "mac": values.get("address") or None, "addresses": []}


def if_inet6(text: str | None) -> dict[str, list[dict[str, Any]]]:
    """text: of /proc/net/if_inet6 (net/ipv6/addrconf.c). Returns ``{name: [address]}``."""
    found: dict[str, list[dict[str, Any]]] = {}
    for match in rows("/proc/net/if_inet6", text, _IF_INET6):
        found.setdefault(match["name"], []).append(address(
            "ipv6", ipv6_network(match["address"]), int(match["prefix"], 16),
            bool(int(match["flags"], 16) & _TENTATIVE)))
    return found


def dev_mcast(text: str | None) -> dict[int, list[dict[str, Any]]]:
    """text: of /proc/net/dev_mcast (net/core/dev_addr_lists). Returns
    ``{index: [{"mac": "01:00:5e:00:00:01", "users": int}]}``; /proc names no other interface here than by index."""
    found: dict[int, list[dict[str, Any]]] = {}
    for match in rows("/proc/net/dev_mcast", text, _DEV_MCAST):
        found.setdefault(int(match["index"]), []).append({"mac": mac(match["mac"]), "users": int(match["users"])})
    return found


def conf(text: str | None) -> dict[str, int]:
    """text: lines ``/proc/sys/net/ipvN/conf/NAME/SETTING:value`` of one setting. Returns ``{name: int}``, with the
    names ``all`` and ``default`` among them."""
    return {match["name"]: int(match["value"]) for match in rows("/proc/sys/net", text, _CONF)}
