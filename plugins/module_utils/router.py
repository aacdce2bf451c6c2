# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One multicast routing daemon in the network namespace that this runs in: configured, started, reloaded, ended.

The kernel takes one such daemon for each namespace and family (net/ipv4/ipmr.c MRT_INIT)."""
from __future__ import annotations

import ipaddress
import os
import tempfile
from functools import partial
from typing import Any

from . import router_config, sysctl
from .change import Changes, Planned
from .daemon import Daemons, environment, find, run
from .error import McastError
from .lab import netns
from .netlink.links import Interface, Netlink

NAME = "router"
_SBIN = ["/usr/sbin", "/usr/local/sbin", "/sbin"]
_FRR = ["/usr/lib/frr", "/usr/libexec/frr"]
_KNOWN = ("pimd", "pim6d", "smcrouted", "mrouted", "pim6sd", "igmpproxy", "mrd6")


def plan(params: dict[str, Any]) -> Planned:
    """params: the options of the module `router`. Returns (Changes, function for the further result)."""
    changes, daemons = Changes(), Daemons(NAME)
    record, running = daemons.record(), daemons.running()
    before = record and {"backend": record["backend"], "running": running, "config": record["config"]}
    if params["state"] == "stopped":
        if before:
            changes.add((NAME,), before, None, daemons.stop)
        return changes, dict
    settings = router_config.settle(params, _links())
    _check_reach(settings)
    text = router_config.RENDER[settings["backend"]](settings)
    backend = _BACKENDS[settings["backend"]](daemons, settings, params["daemons"])
    if not daemons.living():
        _refuse_second(settings)
    backend.check(text)
    after = {"backend": settings["backend"], "running": True, "config": text}
    if before != after:
        reload_from = before["config"] if before and running and before["backend"] == after["backend"] else None
        changes.add((NAME,), before, after, lambda: backend.bring(text, reload_from))
    return changes, lambda: {"router": {"backend": settings["backend"], "interfaces": settings["interfaces"]}}


def _links() -> dict[str, list[Interface]]:
    netlink = Netlink()
    addresses = netlink.addresses()
    # pimreg and the like are the kernel's own, and come with a daemon.
    return {name: addresses.get(link["index"], []) for name, link in netlink.links().items()
            if name != "lo" and not name.startswith(("pimreg", "pim6reg"))}


def _check_reach(settings: dict[str, Any]) -> None:
    """A rendezvous point that no route leads to would leave every group without data, and no daemon fails for it."""
    networks = [route["destination"] for route in Netlink().routes(4)] if settings["rp"] else []
    for address in settings["rp"]:
        if not any(ipaddress.ip_address(address) in network for network in networks):
            raise McastError(f"rp.{address}", "no route of this host leads there; expected an address of this router "
                                              "or of one that it reaches")


def _refuse_second(settings: dict[str, Any]) -> None:
    """Told by the kernel: all/mc_forwarding counts the daemons."""
    for family in ("ipv4", "ipv6") if settings["backend"] == "smcroute" else ("ipv4",):
        try:
            taken = sysctl.read(f"{family}/conf/all/mc_forwarding")
        except McastError:
            continue  # no IPv6 here
        if taken:
            raise McastError("router", f"another multicast routing daemon runs on this host{_who()}, and the kernel "
                                       "takes one; stop it first")


def _who() -> str:
    found = []
    for pid in netns.processes([os.stat("/proc/self/ns/net").st_ino]):
        try:
            with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
                name = file.read().strip()
        except OSError:
            continue
        if name in _KNOWN:
            found.append(f"{name} (pid {pid})")
    return f", {' and '.join(found)}" if found else ""


def _vifs(family: str = "ip") -> set[str]:
    """The interfaces that the kernel forwards groups on."""
    try:
        with open(f"/proc/net/{family}_mr_vif", encoding="ascii") as file:
            return {line.split()[1] for line in file if not line.startswith("Interface")}
    except FileNotFoundError:
        return set()


class _Backend:
    """daemons: of the unit; settings: settled; unpacked: a folder of unpacked packages, or None. Finds its programs
    at once, so that what is missing is told before anything is changed."""

    PACKAGE = ""
    PROGRAMS: dict[str, list[str]] = {}

    def __init__(self, daemons: Daemons, settings: dict[str, Any], unpacked: str | None) -> None:
        self.daemons, self.settings = daemons, settings
        self.paths = {name: find(self.PACKAGE, name, places, unpacked) for name, places in self.PROGRAMS.items()}
        self.env = environment(self.PACKAGE, unpacked, next(iter(self.paths.values())))

    def check(self, text: str) -> None:
        """McastError with the daemon's own words where it refuses a configuration. Changes nothing."""

    def bring(self, text: str, reload_from: str | None) -> None:
        """Have the daemons run with a configuration; reload_from: that of those which run, or None for a start."""
        if reload_from is None or not self.reload(reload_from, text):
            self.daemons.stop()
            self.daemons.make()
            processes: list[list[int]] = []
            try:
                self.start(text, processes)
            except BaseException:
                self.daemons.stop(processes)
                raise
        self._note(text, self.daemons.processes())

    def _note(self, text: str, processes: list[list[int]]) -> None:
        self.daemons.note(argv=["router", self.settings["backend"]], backend=self.settings["backend"], config=text,
                          processes=processes)

    def start(self, text: str, processes: list[list[int]]) -> None:
        """Start all daemons; each is put on the list of `processes` as soon as it runs."""
        raise NotImplementedError

    def reload(self, before: str, after: str) -> bool:
        """Returns False where a start anew is needed."""
        return False

    def begin(self, text: str, processes: list[list[int]], argv: list[str], private: bool = False) -> None:
        """Start one daemon, on record at once: however this ends, what runs is known."""
        processes.append(self.daemons.start(argv, self.env, private))
        self._note(text, processes)

    def wait_forwarding(self, processes: list[list[int]], deadline: float = 10.0) -> None:
        wanted = set(self.settings["interfaces"])
        self.daemons.wait(lambda: wanted <= _vifs() | _vifs("ip6"), processes,
                          f"it forwards on {', '.join(sorted(wanted))}", deadline)

    def checked(self, argv: list[str], text: str, what: str) -> None:
        """Have a program look at a configuration; the name of its file is put behind `argv`."""
        with tempfile.NamedTemporaryFile("w", prefix="mcast-router-") as file:
            file.write(text)
            file.flush()
            status, said = run(argv + [file.name], self.env)
        if status:
            lines = [line.strip() for line in said.splitlines() if line.strip()]
            raise McastError(what, f"refuses its configuration: {' / '.join(lines[-5:])}")


class _Frr(_Backend):
    PACKAGE = "frr"
    PROGRAMS = {"zebra": _FRR, "pimd": _FRR, "vtysh": ["/usr/bin"]}

    def check(self, text: str) -> None:
        self.checked([self.paths["vtysh"], "-C", "-f"], text, "FRR")

    def start(self, text: str, processes: list[list[int]]) -> None:
        daemons, folder = self.daemons, self.daemons.folder
        daemons.write("group", _group())
        daemons.write("vtysh.conf", "username root nopassword\n")
        # Read at the start, hello intervals hold from the first hello on; told later, from the next but one.
        daemons.write("zebra.conf", "")
        daemons.write("pimd.conf", router_config.frr_commands("", text))
        self._write_vtysh(folder)
        for name, ready in (("zebra", "zserv"), ("pimd", "pimd.vty")):
            self.begin(text, processes, [
                self.paths[name], "-u", "root", "-g", "root", "-f", f"/run/{name}.conf", "-P", "0", "-i",
                f"/run/{name}.pid", "-z", "/run/zserv", "--vty_socket", "/run", "--log", "stdout"], private=True)
            for socket in (ready, f"{name}.vty"):
                daemons.wait(partial(os.path.exists, os.path.join(folder, socket)), processes, f"{name} listens")
        # Once more: vtysh says what is refused, the daemon's own log holds much else.
        said = self._tell(router_config.frr_commands("", text))
        if said:
            raise McastError("FRR", f"refuses its configuration: {said}")
        self.wait_forwarding(processes)

    def reload(self, before: str, after: str) -> bool:
        changed = router_config.frr_hellos(before) != router_config.frr_hellos(after)
        if changed or self._tell(router_config.frr_commands(before, after)):
            return False  # what it does not take while it runs, or only up to 30 s later
        self.wait_forwarding(self.daemons.processes())
        return True

    def _tell(self, text: str) -> str:
        """Returns what vtysh complained of; it knows no other status than 0."""
        self.daemons.write("frr.conf", text)
        unused, said = run([f"{self.daemons.folder}/vtysh", "-f", f"{self.daemons.folder}/frr.conf"], self.env)
        return " / ".join(line.strip() for line in said.splitlines() if line.strip()) if "% " in said else ""

    def _write_vtysh(self, folder: str) -> None:
        """A way in for people and for host_facts: the shell of these very daemons."""
        library = self.env.get("LD_LIBRARY_PATH", "")
        setting = f"LD_LIBRARY_PATH='{library}' " if library else ""
        self.daemons.write("vtysh", f"#!/bin/sh\n{setting}exec '{self.paths['vtysh']}' --vty_socket '{folder}' "
                                    f"--config_dir '{folder}' \"$@\"\n")
        os.chmod(f"{folder}/vtysh", 0o755)


def _group() -> str:
    """/etc/group with root in FRR's group, which is the compiled-in owner of its sockets."""
    with open("/etc/group", encoding="utf-8") as file:
        lines = [line.rstrip("\n") for line in file]
    found = [number for number, line in enumerate(lines) if line.startswith("frrvty:")]
    if found:
        lines[found[0]] += f"{'' if lines[found[0]].endswith(':') else ','}root"
    else:
        lines.append("frrvty:x:64999:root")
    return "".join(f"{line}\n" for line in lines)


class _Smcroute(_Backend):
    PACKAGE = "smcroute"
    PROGRAMS = {"smcrouted": _SBIN, "smcroutectl": _SBIN}

    def check(self, text: str) -> None:
        self.checked([self.paths["smcrouted"], "-n", "-N", "-l", "info", "-F"], text, "smcrouted")

    def _argv(self) -> list[str]:
        folder = self.daemons.folder
        return [self.paths["smcrouted"], "-n", "-N", "-f", f"{folder}/smcroute.conf", "-P", f"{folder}/pid", "-u",
                f"{folder}/socket"]

    def start(self, text: str, processes: list[list[int]]) -> None:
        self.daemons.write("smcroute.conf", text)
        self.begin(text, processes, self._argv())
        self.daemons.wait(lambda: os.path.exists(f"{self.daemons.folder}/socket"), processes, "smcrouted listens")
        self.wait_forwarding(processes)

    def reload(self, before: str, after: str) -> bool:
        self.daemons.write("smcroute.conf", after)
        status, unused = run([self.paths["smcroutectl"], "-u", f"{self.daemons.folder}/socket", "reload"], self.env)
        if status == 0:
            self.wait_forwarding(self.daemons.processes())
        return status == 0


class _Pimd(_Backend):
    PACKAGE = "pimd"
    PROGRAMS = {"pimd": _SBIN}

    def start(self, text: str, processes: list[list[int]]) -> None:
        self.daemons.write("pimd.conf", text)
        self.begin(text, processes, [
            self.paths["pimd"], "-f", "-N", "-c", "/run/pimd.conf", "-s", "info"], private=True)
        self.wait_forwarding(processes, 20.0)


_BACKENDS: dict[str, type[_Backend]] = {"frr": _Frr, "smcroute": _Smcroute, "pimd": _Pimd}
