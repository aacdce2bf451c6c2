# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One multicast routing daemon in the network namespace that this runs in: configured, started, reloaded, ended.

The kernel takes one such daemon for each namespace and family (net/ipv4/ipmr.c MRT_INIT)."""
from __future__ import annotations

import ipaddress
import os
import tempfile

from . import netns, router_config, sysctl
from .change import Changes
from .daemon import Daemons, environment, find, run
from .error import McastError
from .netlink import Netlink

NAME = "router"
_SBIN = ["/usr/sbin", "/usr/local/sbin", "/sbin"]
_FRR = ["/usr/lib/frr", "/usr/libexec/frr"]
_KNOWN = ("pimd", "pim6d", "smcrouted", "mrouted", "pim6sd", "igmpproxy", "mrd6")


def plan(params):
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
        reload_from = before["config"] if running and before["backend"] == after["backend"] else None
        changes.add((NAME,), before, after, lambda: backend.bring(text, reload_from))
    return changes, lambda: {"router": {"backend": settings["backend"], "interfaces": settings["interfaces"]}}


def _links():
    netlink = Netlink()
    addresses = netlink.addresses()
    # pimreg and the like are the kernel's own, and come with a daemon.
    return {name: addresses.get(link["index"], []) for name, link in netlink.links().items()
            if name != "lo" and not name.startswith(("pimreg", "pim6reg"))}


def _check_reach(settings):
    """A rendezvous point that no route leads to would leave every group without data, and no daemon fails for it."""
    networks = [route["destination"] for route in Netlink().routes(4)] if settings["rp"] else []
    for address in settings["rp"]:
        if not any(ipaddress.ip_address(address) in network for network in networks):
            raise McastError("rp.%s" % address, "no route of this host leads there; expected an address of this router "
                                                "or of one that it reaches")


def _refuse_second(settings):
    """Told by the kernel: all/mc_forwarding counts the daemons."""
    for family in ("ipv4", "ipv6") if settings["backend"] == "smcroute" else ("ipv4",):
        try:
            taken = sysctl.read("%s/conf/all/mc_forwarding" % family)
        except McastError:
            continue  # no IPv6 here
        if taken:
            raise McastError("router", "another multicast routing daemon runs on this host%s, and the kernel takes "
                                       "one; stop it first" % _who())


def _who():
    found = []
    for pid in netns.processes([os.stat("/proc/self/ns/net").st_ino]):
        try:
            with open("/proc/%d/comm" % pid, encoding="utf-8") as file:
                name = file.read().strip()
        except OSError:
            continue
        if name in _KNOWN:
            found.append("%s (pid %d)" % (name, pid))
    return ", " + " and ".join(found) if found else ""


def _vifs(family="ip"):
    """The interfaces that the kernel forwards groups on."""
    try:
        with open("/proc/net/%s_mr_vif" % family, encoding="ascii") as file:
            return {line.split()[1] for line in file if not line.startswith("Interface")}
    except FileNotFoundError:
        return set()


class _Backend:
    """daemons: of the unit; settings: settled; unpacked: a folder of unpacked packages, or None. Finds its programs
    at once, so that what is missing is told before anything is changed."""

    PACKAGE = ""
    PROGRAMS = {}

    def __init__(self, daemons, settings, unpacked):
        self.daemons, self.settings = daemons, settings
        self.paths = {name: find(self.PACKAGE, name, places, unpacked) for name, places in self.PROGRAMS.items()}
        self.env = environment(self.PACKAGE, unpacked, next(iter(self.paths.values())))

    def check(self, text):
        """McastError with the daemon's own words where it refuses a configuration. Changes nothing."""

    def bring(self, text, reload_from):
        """Have the daemons run with a configuration; reload_from: that of those which run, or None for a start."""
        if reload_from is None or not self.reload(reload_from, text):
            self.daemons.stop()
            self.daemons.make()
            processes = []
            try:
                self.start(text, processes)
            except BaseException:
                self.daemons.stop(processes)
                raise
        self._note(text, self.daemons.record()["processes"])

    def _note(self, text, processes):
        self.daemons.note(argv=["router", self.settings["backend"]], backend=self.settings["backend"], config=text,
                          processes=processes)

    def start(self, text, processes):
        raise NotImplementedError

    def reload(self, before, after):
        """Returns False where a start anew is needed."""
        return False

    def begin(self, text, processes, argv, private=False):
        """Start one daemon, on record at once: however this ends, what runs is known."""
        processes.append(self.daemons.start(argv, self.env, private))
        self._note(text, processes)

    def wait_forwarding(self, processes, deadline=10.0):
        wanted = set(self.settings["interfaces"])
        self.daemons.wait(lambda: wanted <= _vifs() | _vifs("ip6"), processes,
                          "it forwards on %s" % ", ".join(sorted(wanted)), deadline)

    def checked(self, argv, text, what):
        """Have a program look at a configuration; the name of its file is put behind `argv`."""
        with tempfile.NamedTemporaryFile("w", prefix="mcast-router-") as file:
            file.write(text)
            file.flush()
            status, said = run(argv + [file.name], self.env)
        if status:
            lines = [line.strip() for line in said.splitlines() if line.strip()]
            raise McastError(what, "refuses its configuration: %s" % " / ".join(lines[-5:]))


class _Frr(_Backend):
    PACKAGE = "frr"
    PROGRAMS = {"zebra": _FRR, "pimd": _FRR, "vtysh": ["/usr/bin"]}

    def check(self, text):
        self.checked([self.paths["vtysh"], "-C", "-f"], text, "FRR")

    def start(self, text, processes):
        daemons, folder = self.daemons, self.daemons.folder
        daemons.write("group", _group())
        daemons.write("vtysh.conf", "username root nopassword\n")
        # Read at the start, hello intervals hold from the first hello on; told later, from the next but one.
        daemons.write("zebra.conf", "")
        daemons.write("pimd.conf", router_config.frr_commands("", text))
        self._write_vtysh(folder)
        for name, ready in (("zebra", "zserv"), ("pimd", "pimd.vty")):
            self.begin(text, processes, [
                self.paths[name], "-u", "root", "-g", "root", "-f", "/run/%s.conf" % name, "-P", "0", "-i",
                "/run/%s.pid" % name, "-z", "/run/zserv", "--vty_socket", "/run", "--log", "stdout"], private=True)
            for socket in (ready, name + ".vty"):
                daemons.wait(lambda socket=socket: os.path.exists(os.path.join(folder, socket)), processes,
                             "%s listens" % name)
        # Once more: vtysh says what is refused, the daemon's own log holds much else.
        said = self._tell(router_config.frr_commands("", text))
        if said:
            raise McastError("FRR", "refuses its configuration: %s" % said)
        self.wait_forwarding(processes)

    def reload(self, before, after):
        changed = router_config.frr_hellos(before) != router_config.frr_hellos(after)
        if changed or self._tell(router_config.frr_commands(before, after)):
            return False  # what it does not take while it runs, or only up to 30 s later
        self.wait_forwarding(self.daemons.record()["processes"])
        return True

    def _tell(self, text):
        """Returns what vtysh complained of; it knows no other status than 0."""
        self.daemons.write("frr.conf", text)
        unused, said = run([self.daemons.folder + "/vtysh", "-f", self.daemons.folder + "/frr.conf"], self.env)
        return " / ".join(line.strip() for line in said.splitlines() if line.strip()) if "% " in said else ""

    def _write_vtysh(self, folder):
        """A way in for people and for host_facts: the shell of these very daemons."""
        library = self.env.get("LD_LIBRARY_PATH", "")
        self.daemons.write("vtysh", "#!/bin/sh\n%sexec '%s' --vty_socket '%s' --config_dir '%s' \"$@\"\n" % (
            "LD_LIBRARY_PATH='%s' " % library if library else "", self.paths["vtysh"], folder, folder))
        os.chmod(folder + "/vtysh", 0o755)


def _group():
    """/etc/group with root in FRR's group, which is the compiled-in owner of its sockets."""
    with open("/etc/group", encoding="utf-8") as file:
        lines = [line.rstrip("\n") for line in file]
    found = [number for number, line in enumerate(lines) if line.startswith("frrvty:")]
    if found:
        lines[found[0]] += ("" if lines[found[0]].endswith(":") else ",") + "root"
    else:
        lines.append("frrvty:x:64999:root")
    return "".join(line + "\n" for line in lines)


class _Smcroute(_Backend):
    PACKAGE = "smcroute"
    PROGRAMS = {"smcrouted": _SBIN, "smcroutectl": _SBIN}

    def check(self, text):
        self.checked([self.paths["smcrouted"], "-n", "-N", "-l", "info", "-F"], text, "smcrouted")

    def _argv(self):
        folder = self.daemons.folder
        return [self.paths["smcrouted"], "-n", "-N", "-f", folder + "/smcroute.conf", "-P", folder + "/pid", "-u",
                folder + "/socket"]

    def start(self, text, processes):
        self.daemons.write("smcroute.conf", text)
        self.begin(text, processes, self._argv())
        self.daemons.wait(lambda: os.path.exists(self.daemons.folder + "/socket"), processes, "smcrouted listens")
        self.wait_forwarding(processes)

    def reload(self, before, after):
        self.daemons.write("smcroute.conf", after)
        status, unused = run([self.paths["smcroutectl"], "-u", self.daemons.folder + "/socket", "reload"], self.env)
        if status == 0:
            self.wait_forwarding(self.daemons.record()["processes"])
        return status == 0


class _Pimd(_Backend):
    PACKAGE = "pimd"
    PROGRAMS = {"pimd": _SBIN}

    def start(self, text, processes):
        self.daemons.write("pimd.conf", text)
        self.begin(text, processes, [
            self.paths["pimd"], "-f", "-N", "-c", "/run/pimd.conf", "-s", "info"], private=True)
        self.wait_forwarding(processes, 20.0)


_BACKENDS = {"frr": _Frr, "smcroute": _Smcroute, "pimd": _Pimd}
