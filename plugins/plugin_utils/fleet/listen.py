# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Listen for the queries of IGMP and MLD on hosts without Python: what is run there, and what it printed."""
from __future__ import annotations

import base64
import binascii
import contextlib
import tempfile
from typing import Any

from ...module_utils.error import McastError
from ...module_utils.kernel.sources import MARK
from ...module_utils.packet.capture import Decoder

_HEARD, _DONE = f"{MARK} heard ", f"{MARK} listened"
# A part of the script of sources.py, in whose variables it speaks. It listens on the interfaces that have a link-layer
# group or one of IPv6: those that are up and carry multicast. MLD comes behind a hop-by-hop header of 8 bytes. So few
# packets, so short, are one line that a pipe takes in one piece, whichever others write at the same time.
_SCRIPT = r"""
listen() {
  a=$(timeout %d tcpdump -i "$1" -n -p -U --immediate-mode -c 20 -s 128 -w - \
    'igmp[0] == 17 or (ip6 and ip6[6] == 0 and ip6[40] == 58 and ip6[48] == 130)' 2>/dev/null </dev/null |
    base64 | tr -d '\n')
  echo "$m heard $1 $a"
}
names=' lo '
for f in /proc/net/dev_mcast /proc/net/igmp6; do
  if [ -r "$f" ]; then
    while read -r k n k; do
      case $names in *" $n "*) ;; *) names="$names$n " ;; esac
    done <"$f"
  fi
done
for n in ${names# lo }; do listen "$n" & done
wait
echo "$m listened"
"""


def script(seconds: int) -> str:
    """Returns the part of a script that listens for so long; 0: none."""
    # An f-string would double the braces and backslashes that a shell has.
    return _SCRIPT % seconds if seconds else ""


def queriers(output: str) -> dict[str, list[dict[str, Any]]] | None:
    """output: what the script printed. Returns ``{interface: [{family, address, version, interval}]}`` of the
    interfaces that could be listened on, or None where listening was not asked for. interval: seconds between the last
    two general queries, None where fewer came. McastError where a capture can't be read."""
    if _DONE not in output:
        return None
    found = {}
    for line in output.splitlines():
        if line.startswith(_HEARD):
            name, _space, text = line[len(_HEARD):].strip().partition(" ")
            messages = _messages(name, text)
            if messages is not None:
                found[name] = _queriers_of(messages)
    return found


def _messages(name: str, text: str) -> list[dict[str, Any]] | None:
    """The messages of a capture, None where there is none: no tcpdump, no permission."""
    try:
        capture = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise McastError(f"tcpdump on {name}", "its output is not base64") from None
    if len(capture) < 24:
        return None
    with tempfile.NamedTemporaryFile(prefix="mcast") as file:
        file.write(capture)
        file.flush()
        with contextlib.closing(Decoder(file.name, kinds=["igmp", "mld"])) as decoder:
            return decoder.read()["messages"]


def _queriers_of(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    times: dict[tuple[str, str], list[int]] = {}  # by (family, address)
    versions: dict[tuple[str, str], int] = {}
    for message in messages:
        if not message["kind"].endswith("_query"):
            continue
        who = "ipv4" if message["protocol"] == "igmp" else "ipv6", message["source"]
        versions[who] = message["version"]
        times.setdefault(who, [])
        if message["query"] == "general":
            times[who].append(message["time"])
    return [{"family": family, "address": address, "version": versions[family, address],
             "interval": round((seen[-1] - seen[-2]) / 1e9, 3) if len(seen) > 1 else None}
            for (family, address), seen in sorted(times.items())]
