# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""UDP and raw sockets, and the processes that hold them."""
from __future__ import annotations

import re
from typing import Any

from .rows import ipv4_little, ipv6_words, rows

_SOCKET = re.compile(
    r"\s*\d+: (?P<address>[0-9A-F]{8}|[0-9A-F]{32}):(?P<port>[0-9A-F]{4}) [0-9A-F]+:[0-9A-F]{4} [0-9A-F]{2} \S+ \S+ "
    r"[0-9A-F]+ +(?P<uid>\d{1,10}) +-?\d+ +(?P<inode>\d{1,20})( +-?\d+ +\S+)?( +(?P<drops>\d{1,20}))?\s*\Z", re.ASCII)
_FOLDER = re.compile(r"/proc/(?P<pid>\d{1,10})/fd:\Z", re.ASCII)
_DESCRIPTOR = re.compile(r"l.*\s(?P<descriptor>\d{1,10}) -> socket:\[(?P<inode>\d{1,20})\]\Z", re.ASCII)
_COMM = re.compile(r"/proc/(?P<pid>\d{1,10})/comm:(?P<name>.*)\Z", re.ASCII | re.DOTALL)
_UDP = 17


def table(name: str, text: str | None) -> list[dict[str, Any]]:
    """name: ``"udp"``, ``"udp6"``, ``"raw"`` or ``"raw6"``; text: of that file under /proc/net (net/ipv4/udp.c
    udp4_seq_show and its like). Returns ``[{"family", "protocol", "ip_protocol", "address", "port", "uid", "inode",
    "drops"}]``. A raw socket has no port: the kernel prints its IP protocol number in that place."""
    raw = name.startswith("raw")
    found = []
    for row in rows(f"/proc/net/{name}", text, _SOCKET, header="sl"):
        digits, port = row["address"], int(row["port"], 16)
        found.append({
            "family": "ipv4" if len(digits) == 8 else "ipv6",
            "protocol": "raw" if raw else "udp", "ip_protocol": port if raw else _UDP,
            "address": ipv4_little(digits) if len(digits) == 8 else ipv6_words(digits),
            "port": None if raw else port, "uid": int(row["uid"]), "inode": int(row["inode"]),
            "drops": None if row["drops"] is None else int(row["drops"])})
    return found


def holders(text: str | None) -> dict[int, dict[str, Any]]:
    """text: `ls -ln` of /proc/PID/fd folders, then lines ``/proc/PID/comm:name``. Other lines are of no interest.

    Returns ``{inode: {"process": name or None, "pid": int, "descriptor": int}}``, for a socket that several hold the
    one with the lowest pid and descriptor."""
    found: dict[int, tuple[int, int]] = {}
    names: dict[int, str] = {}
    pid = None
    for line in (text or "").split("\n"):
        folder, name = _FOLDER.match(line), _COMM.match(line)
        descriptor = None if folder or name else _DESCRIPTOR.match(line)
        if folder:
            pid = int(folder["pid"])
        elif name:
            names.setdefault(int(name["pid"]), name["name"])
        elif descriptor and pid is not None:
            held = (pid, int(descriptor["descriptor"]))
            inode = int(descriptor["inode"])
            found[inode] = min(found.get(inode, held), held)
    return {inode: {"process": names.get(pid), "pid": pid, "descriptor": number}
            for inode, (pid, number) in found.items()}


def users(text: str | None) -> dict[int, str]:
    """text: of /etc/passwd. Returns ``{uid: name}``, the first name where several share a number."""
    found: dict[int, str] = {}
    for line in (text or "").split("\n"):
        fields = line.split(":")
        if len(fields) > 2 and re.match(r"\d{1,10}\Z", fields[2], re.ASCII):
            found.setdefault(int(fields[2]), fields[0])
    return found


def sockets(tables: dict[str, str | None], processes: str | None,
            passwd: str | None) -> tuple[list[dict[str, Any]], str | None]:
    """tables: {name: text of that table, or None}; processes, passwd: text or None. Returns (sockets, note): the list
    as host_facts shows it, and what to say where processes could not be seen, else None."""
    held, names = holders(processes), users(passwd)
    unseen = {"process": None, "pid": None, "descriptor": None}
    found = [dict(row, user=names.get(row["uid"]), **held.get(row["inode"], unseen))
             for name, text in tables.items() for row in table(name, text)]
    count = sum(row["pid"] is None for row in found)
    note = None
    if count:
        note = (f"the processes of {count} of {len(found)} sockets could not be seen: that needs root (become: true), "
                "and a process in this network namespace")
    return found, note
