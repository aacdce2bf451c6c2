# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""tshark's reading of a capture, field by field beside ours."""

from __future__ import annotations

import itertools
import re
import subprocess

from ansible_collections.mcast.lab.plugins.module_utils.packet.capture import read

STATUS = {"good": "1", "bad": "0", "unchecked": "2", "unfinished": "2"}
RECORDS = {"is_in": "1", "is_ex": "2", "to_in": "3", "to_ex": "4", "allow": "5", "block": "6"}


def code(raw, bits):
    """RFC 9776 section 4.1.1 and RFC 9777 section 5.1.3, as their formulas are written."""
    low = bits - 4
    if raw < 2 ** (bits - 1):
        return raw
    return (raw % 2**low | 2**low) << (raw // 2**low % 8 + 3)


def version(message):
    return message["kind"][5] if message["kind"].startswith(("igmpv", "mldv")) else ""


def record_groups(message, none):
    if message["records"] or message["kind"].endswith("v3_report") or message["kind"] == "mldv2_report":
        return [record["group"] for record in message["records"]]
    return [message["group"] or none]


def record_sources(message):
    return message["sources"] + [source for record in message["records"] for source in record["sources"]]


def tenths(message):
    return "" if message["max_response"] is None else str(round(message["max_response"] * 10))


def milliseconds(message):
    return "" if message["max_response"] is None else str(round(message["max_response"] * 1000))


def flag(value):
    return "" if value is None else str(int(value))


def commas(values):
    return ",".join(map(str, values))


def kinds(message):
    return commas(RECORDS.get(record["type"], record["type"][8:]) for record in message["records"])


def of_family(message, wanted, values):
    """tshark has a field for each family."""
    return commas(value for value in values if (":" in value) == (wanted == 6))


def groups(message):
    listed = [entry["group"] for entry in message["details"].get("groups", ())]
    if message["kind"] in ("pim_join_prune", "pim_bootstrap", "pim_candidate_rp"):
        return listed
    return [message["group"]] if message["group"] else []


def sources(message):
    return message["sources"] + [
        source["source"]
        for entry in message["details"].get("groups", ())
        for name in ("joins", "prunes")
        for source in entry.get(name, ())
    ]


def entries(message, name):
    return [source["source"] for entry in message["details"].get("groups", ()) for source in entry.get(name, ())]


def detail(name, convert=str):
    return lambda message: convert(message["details"][name]) if name in message["details"] else ""


IP = {
    "ip.src": lambda m: m["source"] if ":" not in m["source"] else "",
    "ip.dst": lambda m: m["destination"] if ":" not in m["source"] else "",
    "ipv6.src": lambda m: m["source"] if ":" in m["source"] else "",
    "ipv6.dst": lambda m: m["destination"] if ":" in m["source"] else "",
    "eth.src": lambda m: m["source_mac"] or "",
    "vlan.id": lambda m: commas(m["vlans"]),
    "frame.time_epoch": lambda m: m["time"],
}
FIELDS = {
    "igmp": dict(
        IP,
        **{
            "ip.ttl": lambda m: str(m["ttl"]),
            "ip.opt.ra": lambda m: "0" if m["router_alert"] else "",
            "ip.checksum.status": lambda m: STATUS[m["ip_checksum"]],
            "igmp.checksum.status": lambda m: STATUS[m["checksum"]],
            "igmp.type": lambda m: f"0x{m['type']:02x}",
            "igmp.version": version,
            "igmp.max_resp": lambda m: "0" if m["kind"] in ("igmpv2_report", "igmpv2_leave") else tenths(m),
            "igmp.maddr": lambda m: commas(record_groups(m, "0.0.0.0")),
            "igmp.saddr": lambda m: commas(record_sources(m)),
            "igmp.s": lambda m: flag(m["suppress"]),
            "igmp.qrv": lambda m: flag(m["robustness"]),
            "igmp.record_type": kinds,
            "igmp.aux_data": lambda m: commas(r["auxiliary"] for r in m["records"] if "auxiliary" in r),
        },
    ),
    "mld": dict(
        IP,
        **{
            "ipv6.hlim": lambda m: str(m["ttl"]),
            "ipv6.opt.router_alert": lambda m: "0" if m["router_alert"] else "",
            "icmpv6.checksum.status": lambda m: STATUS[m["checksum"]],
            "icmpv6.type": lambda m: str(m["type"]),
            "icmpv6.mld.multicast_address": lambda m: (
                "" if m["kind"] == "mldv2_report" else commas(record_groups(m, "::"))
            ),
            "icmpv6.mld.source_address": lambda m: commas(m["sources"]),
            "icmpv6.mld.flag.s": lambda m: flag(m["suppress"]),
            "icmpv6.mld.flag.qrv": lambda m: flag(m["robustness"]),
            "icmpv6.mld.qqi": lambda m: "" if m["interval"] is None else str(m["interval"]),
            "icmpv6.mld.maximum_response_code": lambda m: milliseconds(m) if m["kind"] == "mldv2_query" else "",
            "icmpv6.mld.maximum_response_delay": lambda m: (
                milliseconds(m) or "0" if m["kind"].startswith("mldv1") else ""
            ),
            "icmpv6.mldr.mar.record_type": kinds,
            "icmpv6.mldr.mar.multicast_address": lambda m: commas(r["group"] for r in m["records"]),
            "icmpv6.mldr.mar.source_address": lambda m: commas(s for r in m["records"] for s in r["sources"]),
            "icmpv6.mldr.mar.auxiliary_data": lambda m: commas(
                r["auxiliary"] for r in m["records"] if "auxiliary" in r
            ),
        },
    ),
    "pim": dict(
        IP,
        **{
            "pim.type": lambda m: str(m["type"]),
            "pim.cksum.status": lambda m: STATUS[m["checksum"]],
            "pim.group": lambda m: of_family(m, 4, groups(m)),
            "pim.group_ip6": lambda m: of_family(m, 6, groups(m)),
            "pim.source": lambda m: of_family(m, 4, sources(m)),
            "pim.source_ip6": lambda m: of_family(m, 6, sources(m)),
            "pim.join_ip": lambda m: of_family(m, 4, entries(m, "joins")),
            "pim.join_ip6": lambda m: of_family(m, 6, entries(m, "joins")),
            "pim.prune_ip": lambda m: of_family(m, 4, entries(m, "prunes")),
            "pim.prune_ip6": lambda m: of_family(m, 6, entries(m, "prunes")),
            "pim.upstream_neighbor": lambda m: of_family(m, 4, [m["details"].get("upstream", ":")]),
            "pim.bsr": lambda m: of_family(m, 4, [m["details"].get("bsr", ":")]),
            "pim.address_list": lambda m: of_family(m, 4, m["details"].get("address_list", ())),
            "pim.dr_priority": detail("dr_priority"),
            "pim.generation_id": detail("generation_id"),
            "pim.metric": detail("metric"),
            "pim.metric_pref": detail("preference"),
            "pim.rpt": detail("rpt", flag),
            "pim.fragment_tag": detail("fragment_tag", lambda number: f"0x{number:04x}"),
            "pim.hash_mask_len": detail("hash_mask_length"),
        },
    ),
    "udp": dict(
        IP,
        **{
            "udp.srcport": detail("source_port"),
            "udp.dstport": detail("destination_port"),
            "udp.length": detail("length", lambda length: str(length + 8)),
            "udp.checksum.status": lambda m: STATUS[m["checksum"]],
        },
    ),
}
# tshark tells the raw code, the message what it stands for.
CODES = {
    "igmp.qqic": (8, lambda m: m["interval"]),
}
MORE = ["frame.number", "frame.protocols", "_ws.malformed"]
PREFERENCES = (
    "ip.defragment:FALSE",
    "ipv6.defragment:FALSE",
    "ip.check_checksum:TRUE",
    "udp.check_checksum:TRUE",
    "udp.try_heuristic_first:FALSE",
)


def tshark(path):
    """Returns {frame number: {field: text}}."""
    names = sorted(set(MORE).union(CODES, *FIELDS.values()))
    argv = ["tshark", "-n", "-r", path, "-T", "fields", "-E", "separator=|"]
    for preference in PREFERENCES:
        argv += ["-o", preference]
    for name in names:
        argv += ["-e", name]
    lines = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout.decode(
        "utf-8", "replace"
    )
    rows = (dict(zip(names, line.split("|"))) for line in lines.splitlines() if line.count("|") == len(names) - 1)
    return {int(row["frame.number"]): row for row in rows}


def once(values):
    """tshark 4.0 tells a PIM group twice."""
    return ",".join(value for value, unused in itertools.groupby(values.split(",")))


def differences(message, row):
    """What one says and the other doesn't: (field, ours, tshark's)."""
    found = []
    for field, ours in FIELDS[message["protocol"]].items():
        value, theirs = ours(message), row[field]
        if field.startswith("pim.group"):
            value, theirs = once(value), once(theirs)
        if field == "eth.src" and not row["frame.protocols"].startswith("eth"):
            continue  # tshark has a field of its own for the cooked link types
        if field == "udp.checksum.status" and message["checksum"] in ("unchecked", "unfinished"):
            continue  # tshark has no word for a checksum that the sender's network interface was yet to compute
        if value != theirs and not (value == "" and field.startswith(("ip.opt", "ipv6.opt"))):
            found.append((field, value, theirs))
    for field, (bits, ours) in CODES.items():
        if row[field] and code(int(row[field], 0), bits) != ours(message):
            found.append((field, ours(message), row[field]))
    return found


# Frames whose network layer is the one of the frame itself, and not that of a tunnel or of an error message's quote.
PLAIN = re.compile(
    r"(?:eth:(?:ethertype|llc)|sll(?::ethertype)?|null|loop|raw)(?::vlan:ethertype)*:"
    r"(ip|ipv6)(?::ipv6\.\w+)*:(igmp|pim|icmpv6|udp)(?=:|$)"
)


# Named by their type alone here, and read by tshark with fields of their own; a register's inner packet stands in
# tshark's fields of IP.
NAMED_ALONE = ("pim_unknown", "pim_df_election", "pim_register", "dvmrp", "pimv1", "mtrace_query", "mtrace_response")


def judge(path):
    """Returns (messages compared, list of complaints) for one public capture."""
    result, rows = read(path, kinds=["igmp", "mld", "pim", "udp", "malformed"], limit=10**6), tshark(path)
    told = {message["number"]: message for message in result["messages"]}
    complaints, compared = [], 0
    if rows and not result["truncated"] and len(rows) != result["packets"]["total"]:
        complaints.append(f"{result['packets']['total']} packets, tshark has {len(rows)}")
    for number, row in rows.items():
        message, plain = told.get(number), PLAIN.match(row["frame.protocols"])
        last = plain.group(2) if plain and row["frame.protocols"].endswith(plain.group(2)) else None
        if last in ("igmp", "pim") and not message:
            complaints.append(f"{number}: {row['frame.protocols']} not seen")
        elif last in ("igmp", "pim") and row["_ws.malformed"] and not (
            message["malformed"] or message["snapped"] or message["details"].get("null")  # a dummy header and no more
        ):
            complaints.append(f"{number}: tshark says {row['_ws.malformed']}")
        elif (
            plain
            and message
            and not (message["malformed"] or row["_ws.malformed"] or message["snapped"])
            and (message["protocol"] in FIELDS and message["kind"] not in NAMED_ALONE)
        ):
            compared += 1
            complaints += [f"{number}: {difference}" for difference in differences(message, row)]
    return compared, complaints
