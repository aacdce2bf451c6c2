# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one table of what is read from a host, rendered as one script for a POSIX shell.

The script needs sh, grep and ls; ``ip`` and ``nft`` where they are there. It runs few processes, because each costs a
millisecond: one grep prints every file with its path before each line.
"""
from __future__ import annotations

import re
from typing import Dict, NamedTuple, Optional, Sequence

from ..error import McastError
from . import frr, mroutes

SUBSETS = ("interfaces", "memberships", "sockets", "forwarding", "routes", "limits", "traffic", "firewall",
           "bridges", "mroutes", "prerequisites", "pim", "counters")
KERNEL = "kernel"  # the part that is always read
MARK = "#mcast.lab#"
# By the names of sources; None for what the host doesn't have.
Texts = Dict[str, Optional[str]]


class Source(NamedTuple):
    """name: the key in split(); parts: subsets that use it; kind: file, glob, or shell (a fragment below);
    path: what is read, as a user would name it."""

    name: str
    parts: tuple[str, ...]
    kind: str
    path: str


_IPV4, _IPV6, _CORE = "/proc/sys/net/ipv4/", "/proc/sys/net/ipv6/", "/proc/sys/net/core/"

# Settings with a single value; intervals are those that an interface gets when it appears.
LIMITS = {
    "igmp_max_memberships": f"{_IPV4}igmp_max_memberships",
    "igmp_max_msf": f"{_IPV4}igmp_max_msf",
    "igmp_qrv": f"{_IPV4}igmp_qrv",
    "igmp_link_local_mcast_reports": f"{_IPV4}igmp_link_local_mcast_reports",
    "igmpv2_unsolicited_report_interval": f"{_IPV4}conf/default/igmpv2_unsolicited_report_interval",
    "igmpv3_unsolicited_report_interval": f"{_IPV4}conf/default/igmpv3_unsolicited_report_interval",
    "mld_max_msf": f"{_IPV6}mld_max_msf",
    "mld_qrv": f"{_IPV6}mld_qrv",
    "mldv1_unsolicited_report_interval": f"{_IPV6}conf/default/mldv1_unsolicited_report_interval",
    "mldv2_unsolicited_report_interval": f"{_IPV6}conf/default/mldv2_unsolicited_report_interval",
    "optmem_max": f"{_CORE}optmem_max",
    "rmem_max": f"{_CORE}rmem_max",
    "rmem_default": f"{_CORE}rmem_default",
}

_IF, _IF_MS, _MS = ("interfaces",), ("interfaces", "memberships"), ("memberships",)
_MR = ("mroutes", "prerequisites")

SOURCES = tuple(Source(*row) for row in (
    ("release", (KERNEL,), "file", "/proc/sys/kernel/osrelease"),
    ("hostname", (KERNEL,), "file", "/proc/sys/kernel/hostname"),
    # Not /sys/class/net first: what is mounted there may belong to another network namespace than /proc/net.
    ("ip_addr", _IF, "shell", "ip addr show"),
    ("sysfs", _IF, "shell", "/sys/class/net"),
    ("if_inet6", _IF, "file", "/proc/net/if_inet6"),
    ("igmp", _IF_MS + ("prerequisites",), "file", "/proc/net/igmp"),
    ("dev_mcast", _IF_MS, "file", "/proc/net/dev_mcast"),
    ("igmp6", _MS, "file", "/proc/net/igmp6"),
    ("mcfilter", _MS, "file", "/proc/net/mcfilter"),
    ("mcfilter6", _MS, "file", "/proc/net/mcfilter6"),
    ("conf_forwarding_ipv4", _IF, "glob", f"{_IPV4}conf/*/forwarding"),
    ("conf_forwarding_ipv6", ("interfaces", "forwarding"), "glob", f"{_IPV6}conf/*/forwarding"),
    ("conf_mc_forwarding_ipv4", _IF, "glob", f"{_IPV4}conf/*/mc_forwarding"),
    ("conf_mc_forwarding_ipv6", _IF, "glob", f"{_IPV6}conf/*/mc_forwarding"),
    ("conf_rp_filter", _IF, "glob", f"{_IPV4}conf/*/rp_filter"),
    ("conf_force_igmp_version", _IF, "glob", f"{_IPV4}conf/*/force_igmp_version"),
    ("conf_force_mld_version", _IF, "glob", f"{_IPV6}conf/*/force_mld_version"),
    ("udp", ("sockets",), "file", "/proc/net/udp"),
    ("udp6", ("sockets",), "file", "/proc/net/udp6"),
    ("raw", ("sockets",), "file", "/proc/net/raw"),
    ("raw6", ("sockets",), "file", "/proc/net/raw6"),
    ("passwd", ("sockets",), "file", "/etc/passwd"),
    ("processes", ("sockets",), "shell", "/proc/PID/fd"),
    ("ip_forward", ("forwarding",), "file", f"{_IPV4}ip_forward"),
    ("route", ("routes",), "file", "/proc/net/route"),
    ("ipv6_route", ("routes",), "file", "/proc/net/ipv6_route"),
    ("reports", ("traffic",), "shell", "/run/mcast"),
    ("nft", ("firewall",), "shell", "nft -j -n list ruleset"),
    ("bridge_links", ("bridges",), "shell", "ip -j -d link show type bridge"),
    ("bridge_ports", ("bridges",), "shell", "bridge -j -d link"),
    ("bridge_database", ("bridges",), "shell", "bridge -j -d -s mdb show"),
    ("bridge_queriers", ("bridges",), "shell", "rtnetlink by /usr/bin/python3"),
    ("ip_mr_vif", _MR, "file", "/proc/net/ip_mr_vif"),
    ("ip_mr_cache", ("mroutes",), "file", "/proc/net/ip_mr_cache"),
    ("ip6_mr_vif", _MR, "file", "/proc/net/ip6_mr_vif"),
    ("ip6_mr_cache", ("mroutes",), "file", "/proc/net/ip6_mr_cache"),
    ("config", ("prerequisites",), "shell", "/proc/config.gz or /boot/config-RELEASE"),
    ("vtysh", ("pim",), "shell", "vtysh"),
    ("snmp", ("counters",), "file", "/proc/net/snmp"),
    ("netstat", ("counters",), "file", "/proc/net/netstat"),
    ("snmp6", ("counters",), "file", "/proc/net/snmp6"),
)) + tuple(Source(name, ("limits",), "file", path) for name, path in LIMITS.items())

# Seconds that vtysh may take, and what stands in place of its answer where it took longer.
VTYSH_LIMIT = 3
SILENT = "no answer"

# Fragments print their section or a missing mark, or add to $more, the patterns that the one grep reads too.
_FRAGMENTS = {
    "ip_addr": r"""
if a=$(ip addr show 2>/dev/null </dev/null) && [ -n "$a" ]; then echo "$m section ip_addr"; printf '%s\n' "$a"
else echo "$m missing ip_addr"
  for k in ifindex flags mtu address operstate; do more="$more /sys/class/net/*/$k"; done
fi
""",
    "sysfs": "",
    # Network namespaces of one machine share /proc/PID: only processes whose namespace is the shell's own count.
    # Two operands at least, so that ls puts the folder's name before its content.
    "processes": r"""
d= c=
for p in /proc/[0-9]*; do
  if [ "$p/ns/net" -ef "/proc/$$/ns/net" ]; then d="$d $p/fd" c="$c $p/comm"; fi
done
if [ -n "$d" ]; then
  echo "$m section processes"
  ls -ln /proc/$$/fd $d 2>/dev/null </dev/null | grep -a -e '^/proc/' -e ' socket:\['
  grep -aH '' $c /dev/null 2>/dev/null </dev/null
else echo "$m missing processes"
fi
""",
    # Programs note their reports in a folder per network namespace, named by the namespace's inode number.
    "reports": r"""
if [ -d /run/mcast ]; then
  n=$(readlink /proc/self/ns/net 2>/dev/null)
  n=${n#*[}
  more="$more /run/mcast/${n%]}/*/report.json /run/mcast/${n%]}/*/exit.json"
fi
""",
    "nft": r"""
if a=$(nft -j -n list ruleset 2>/dev/null </dev/null) && [ -n "$a" ]; then
  echo "$m section nft"; printf '%s\n' "$a"
else echo "$m missing nft"
fi
""",
    # Most hosts have no bridge: then this costs one process. iproute2 doesn't show the querier that a bridge has seen,
    # so Python, where it is there, asks for the links of kind bridge and prints each message in hexadecimal.
    "bridge_links": r"""
if a=$(ip -j -d link show type bridge 2>/dev/null </dev/null) && [ -n "$a" ]; then
  echo "$m section bridge_links"; printf '%s\n' "$a"
  case $a in
  *'"ifname"'*)
    for k in "ports -j -d link" "database -j -d -s mdb show"; do
      if a=$(bridge ${k#* } 2>/dev/null </dev/null) && [ -n "$a" ]; then
        echo "$m section bridge_${k%% *}"; printf '%s\n' "$a"
      fi
    done
    if a=$(/usr/bin/python3 -IS -c '
import socket, struct
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
kind = struct.pack("=HHHH8s", 16, 18, 12, 1, b"bridge")
s.send(struct.pack("=IHHIIBBHiII", 32 + len(kind), 18, 0x301, 1, 0, 0, 0, 0, 0, 0, 0) + kind)
size, got = 0, 0
while got not in (2, 3):
    data = s.recv(1 << 17)
    while len(data) >= 16 and got not in (2, 3):
        size, got = struct.unpack_from("=IH", data)
        if got == 16:
            print(data[16:size].hex())
        data = data[(size + 3) & ~3:]
' 2>/dev/null </dev/null) && [ -n "$a" ]; then
      echo "$m section bridge_queriers"; printf '%s\n' "$a"
    fi
  ;;
  *) for k in ports database queriers; do echo "$m section bridge_$k"; done ;;
  esac
fi
""",
    "bridge_ports": "", "bridge_database": "", "bridge_queriers": "",
}
_FRAGMENTS["config"] = rf"""
c=/proc/config.gz
[ -r "$c" ] || c=/boot/config-$(cat /proc/sys/kernel/osrelease)
if [ -r "$c" ]; then
  echo "$m section config"
  case $c in *.gz) zcat "$c" ;; *) cat "$c" ;; esac 2>/dev/null |
    grep -E '^(# )?CONFIG_({'|'.join(mroutes.OPTIONS)})(=| is not set)'
else echo "$m missing config"
fi
"""
_QUESTIONS = " ".join(f"-c '{command}'" for command in frr.COMMANDS)
# The router of ours in this namespace, or else the machine's own FRR: its sockets can be seen from every namespace.
_FRAGMENTS["vtysh"] = r"""
n=$(readlink /proc/self/ns/net 2>/dev/null)
n=${n#*[}
v=/run/mcast/${n%]}/router/vtysh a=
if [ ! -x "$v" ]; then v=; [ /proc/$$/ns/net -ef /proc/1/ns/net ] && v=vtysh; fi
# vtysh waits for its daemons without limit, and one may be stopped. Where there is no timeout(1), a shell watches it.
bounded() {
  if command -v timeout >/dev/null 2>&1; then timeout -s KILL "$@" 2>/dev/null </dev/null; return; fi
  s=$1; shift
  "$@" 2>/dev/null </dev/null &
  q=$!
  (while [ "$s" -gt 0 ] && kill -0 $q; do sleep 1; s=$((s-1)); done; kill -KILL $q) >/dev/null 2>&1 &
  wait $q
}
""" + rf"""if [ -n "$v" ]; then a=$(bounded {VTYSH_LIMIT} "$v" {_QUESTIONS}); [ $? -lt 124 ] || a='{SILENT}'; fi
""" + r"""if [ -n "$a" ]; then
  echo "$m section vtysh"; printf '%s\n' "$a"
else echo "$m missing vtysh"
fi
"""
# Of each source that has more than one path, what its paths match.
_PATHS = {"sysfs": re.compile(r"/sys/class/net/[^/]+/\w+\Z"),
          "reports": re.compile(r"/run/mcast/\d+/[^/]+/(report|exit)\.json\Z"),
          **{source.name: re.compile(re.escape(source.path).replace(r"\*", "[^/]+") + r"\Z")
             for source in SOURCES if source.kind == "glob"}}

# Filled by script().
_SCRIPT = r"""
LC_ALL=C PATH=$PATH:/usr/sbin:/sbin:/usr/bin:/bin
export LC_ALL PATH
m='{mark}' files= more=
echo "$m begin {subsets}"
for f in {files}; do
  if [ -r "$f" ]; then files="$files $f"; else echo "$m missing $f"; fi
done
{fragments}
echo "$m files"
grep -aH '' $files {globs} $more /dev/null 2>/dev/null </dev/null
{more}
echo "$m end"
"""

_FILES = {source.name for source in SOURCES if source.kind == "file"}


def _asked(subsets: Sequence[str]) -> list[Source]:
    unknown = [name for name in subsets if name not in SUBSETS]
    if unknown:
        raise McastError("gather_subset", f"has no part {', '.join(map(str, unknown))}; "
                         f"expected some of {', '.join(SUBSETS)}")
    parts = {KERNEL, *subsets}
    return [source for source in SOURCES if parts.intersection(source.parts)]


def script(subsets: Sequence[str] = SUBSETS, more: str = "") -> str:
    """subsets: some of SUBSETS (McastError for others); more: of a script, what is to be done last; split() passes over
    what it prints in lines that begin with `$m`. Returns the text of a script for `/bin/sh -s`."""
    asked = _asked(subsets)
    return _SCRIPT.format(
        mark=MARK,
        subsets=" ".join(subsets),
        files=" ".join(source.path for source in asked if source.kind == "file"),
        globs=" ".join(source.path for source in asked if source.kind == "glob"),
        fragments="".join(_FRAGMENTS[source.name] for source in asked if source.kind == "shell"),
        more=more,
    )


class _Paths:
    """Which source a path belongs to."""

    def __init__(self, asked: Sequence[Source]) -> None:
        self._exact: dict[str, str | None] = {
            source.path: source.name for source in asked if source.kind == "file"}
        self._patterns = [(_PATHS[source.name], source.name) for source in asked if source.name in _PATHS]

    def name(self, path: str) -> str | None:
        if path not in self._exact:
            self._exact[path] = next((name for pattern, name in self._patterns if pattern.match(path)), None)
        return self._exact[path]


def _body(output: str) -> tuple[list[Source], list[str]]:
    """Returns (the sources asked for, the lines between the begin and end marks)."""
    lines = output.replace("\r\n", "\n").split("\n")
    begin, end = f"{MARK} begin ", f"{MARK} end"
    start = next((number for number, line in enumerate(lines) if line.startswith(begin)), None)
    if start is None:
        raise McastError("output of /bin/sh", "does not begin as expected; the host needs a POSIX shell at /bin/sh")
    if end not in lines[start:]:
        raise McastError("output of /bin/sh", "is cut off: the connection or the shell ended early; try again")
    return _asked(lines[start][len(begin):].split()), lines[start + 1:lines.index(end, start)]


def split(output: str) -> Texts:
    """output: what the script printed. Returns {source name: text}, None for what the host doesn't have.

    The text of a file or command is as it was; of a glob (and of sysfs and reports) each line has its path and a
    colon before it. McastError where the output doesn't begin and end as it should: cut off, or no such shell."""
    asked, lines = _body(output)
    paths = _Paths(asked)
    texts: dict[str, list[str] | None] = {source.name: [] if source.kind == "file" else None for source in asked}
    section = None
    for line in lines:
        if line.startswith(MARK):
            unused, word, thing = f"{line}  ".split(" ", 2)
            section = thing.strip() if word == "section" else word
            name: str | None = paths.name(thing.strip()) or section
            if name in texts:
                texts[name] = [] if word == "section" else None
            continue
        path, unused, value = line.partition(":")
        name = paths.name(path) if section == "files" else section
        if name in texts:
            part = texts[name] = texts[name] or []
            part.append(value if section == "files" and name in _FILES else line)
    return {name: read if read is None else "".join(f"{line}\n" for line in read) for name, read in texts.items()}
