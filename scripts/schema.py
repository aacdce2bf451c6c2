# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write schemas/topology.json and schemas/variables.json: JSON Schemas by which editors complete and check topology
files and group_vars. They are made of what the readers themselves go by, and of the documentation of the modules.

    make generated
"""
from __future__ import annotations

import importlib
import json
import pathlib
import re
from typing import Any

import yaml
from ansible_collections.mcast.lab.plugins.module_utils import bridge_settings, stream
from ansible_collections.mcast.lab.plugins.module_utils.lab import topology
from ansible_collections.mcast.lab.plugins.plugin_utils import variables
from ansible_collections.mcast.lab.plugins.plugin_utils.run import expectations, judge, steps

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "schemas"
Schema = dict[str, Any]

_TYPES = {"str": "string", "path": "string", "bool": "boolean", "int": "integer", "float": "number", "dict": "object",
          "list": "array"}
_TEMPLATE = {"type": "string", "pattern": r"\{\{"}
_DURATION = {"anyOf": [{"type": "number", "minimum": 0}, {
    "type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*(ms|s|m|h|)\s*$|\{\{"}]}
_TEXTS = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
# By name, by a list of names, or by a mapping of each to its interface.
_ENDS = {"anyOf": [*_TEXTS["anyOf"], {"type": "object", "additionalProperties": {"anyOf": [
    {"type": ["string", "null"]}, {"type": "object"}]}}]}
_NETWORKS = {"ipv4": "An IPv4 network, such as 192.168.122.0/24.", "ipv6": "An IPv6 network, such as fd00:122::/64."}


def number(low: float, high: float, whole: bool = True) -> Schema:
    """Also as a template, which is text until it is filled in."""
    kind = "integer" if whole else "number"
    return {"anyOf": [{"type": kind, "minimum": low, "maximum": high}, {"type": "string", "pattern": r"^\d|\{\{"}]}


def described(schema: Schema, text: str) -> Schema:
    """With a description, in which the markup of Ansible's documentation is resolved."""
    return {"description": re.sub(r"\b[A-Z]\(([^)]*)\)", r"\1", " ".join(text.split())), **schema}


def anchored(pattern: re.Pattern[str]) -> str:
    """A pattern that Python matches from the beginning, in the words of a schema."""
    return "^" + pattern.pattern.replace(r"\Z", "$")


def mapping(properties: dict[str, Schema], required: tuple[str, ...] = ()) -> Schema:
    """An object with these keys and no others."""
    found: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**found, "required": list(required)} if required else found


def named(value: Schema, pattern: str = "") -> Schema:
    """An object with names of the user's choice as keys."""
    found: Schema = {"type": "object", "additionalProperties": value}
    return {**found, "propertyNames": {"pattern": pattern}} if pattern else found


def of_option(spec: dict[str, Any]) -> Schema:
    """An option as Ansible documents it, or as an argument spec has it."""
    inner = spec.get("suboptions") or spec.get("options")
    if inner:
        schema = of_options(inner)
    elif spec.get("choices"):
        schema = {"enum": list(spec["choices"])}
    elif spec.get("type") == "raw":
        schema = {}
    else:
        schema = {"type": _TYPES[spec.get("type", "str")]}
    if spec.get("type") == "list":
        items = schema if inner else {"type": _TYPES[spec.get("elements", "str")]}
        schema = {"anyOf": [{"type": "array", "items": items}, *([] if inner else [{"type": "string"}])]}
    if schema.get("type") != "string" and schema:
        schema = {"anyOf": [*schema.get("anyOf", [schema]), _TEMPLATE]}
    text = spec.get("description") or ""
    return described(schema, text if isinstance(text, str) else " ".join(text)) if text else schema


def of_options(options: dict[str, dict[str, Any]], but: tuple[str, ...] = ()) -> Schema:
    return mapping({name: of_option(spec) for name, spec in options.items() if name not in but},
                   tuple(name for name, spec in options.items() if spec.get("required") and name not in but))


def of_module(name: str, but: tuple[str, ...]) -> Schema:
    """The options of a module of ours, but for some."""
    module = importlib.import_module(f"ansible_collections.mcast.lab.plugins.modules.{name}")
    return of_options(yaml.safe_load(module.DOCUMENTATION)["options"], but)


def switch() -> Schema:
    found = of_module("bridge", ("name",))
    for limits, whole in ((bridge_settings.INTERVALS, False), (bridge_settings.COUNTS, True)):
        for name, (low, high) in limits.items():
            found["properties"][name].update(number(low, high, whole))
    return found


def streams() -> Schema:
    """The keys are those of stream.KEYS, which a test holds it to."""
    body = mapping({
        "group": described(_TEXTS, "Multicast address; or one of each family in a list."),
        "port": described(number(1, 65535), "UDP port."),
        "from": described(_ENDS, "Senders: a host, a group of the inventory, a list of them, or a mapping of each to "
                                 "its interface."),
        "to": described(_ENDS, "Receivers, as in from."),
        "sources": described(_TEXTS, "Addresses of the source filter, or names of senders."),
        "filter_mode": described({"enum": list(stream.FILTER_MODES)}, "include: these sources only; exclude: all "
                                                                      "others."),
        "count": described(number(0, 10 ** 9), "Datagrams that each sender sends."),
        "interval": described(number(0, 3600, whole=False), "Seconds between two datagrams."),
        "soak": described(_DURATION, "How long the stream lasts, such as 5m, in place of count."),
        "payload": described({"type": "string"}, "Text of each datagram."),
        "ttl": described(number(0, 255), "Hops that a datagram may take."),
        "foreign": described(_TEXTS, "Hosts or groups whose sender or receiver is another program than ours."),
    }, ("group", "port", "to"))
    return {**named(body, anchored(stream.NAME)), "minProperties": 1}


def all_steps() -> Schema:
    words = {word: described({}, (meant.__doc__ or "").split("\n\n")[0])
             for word, meant in {**expectations.WORDS, **judge.CHECKS}.items()}
    expected = {"type": "array", "items": {**mapping(words), "minProperties": 1, "maxProperties": 1}}
    acts = {act: {"type": ["array", "object"]} for act in ("receive", "leave", "kill", "send", "stop_sending")}
    acts.update((act, {"type": "object"}) for act in steps.ACTS if act not in acts)
    return {"type": "array", "items": mapping({
        "name": described({"type": "string", "pattern": anchored(steps.NAME)}, "Name of the step, as evidence has it."),
        **acts, "expect": described(named(expected), "What must hold then, by host."),
    }, ("name",))}


def whole_topology() -> Schema:
    interface = mapping({
        "segment": described({"type": "string"}, "Segment that the interface is attached to."),
        "mac": described({"type": "string"}, "A locally administered MAC; by default it follows from the names."),
        "ipv4": described({"type": ["string", "null"]}, "Address; by default the next free one of the segment."),
        "ipv6": described({"type": ["string", "null"]}, "Address; by default the next free one of the segment."),
    }, ("segment",))
    host = mapping({
        "interfaces": named(interface),
        "router": described(of_module("router", ("state",)), "Makes the host a router."),
        "querier": described(of_option(variables.specs()["mcast_querier"]), "Makes the host a querier."),
        "count": described(number(1, 10000), "So many hosts, alike but for their names and addresses."),
    }, ("interfaces",))
    segment = mapping({**{family: described({"type": ["string", "null"]}, text) for family, text in _NETWORKS.items()},
                       "switch": described({"$ref": "#/$defs/switch"}, "Settings of the bridge.")})
    return {**mapping({
        "plugin": {"const": "mcast.lab.topology"},
        "name": described({"type": "string"}, "Name of the lab; by default that of the folder."),
        "connection": described({"enum": list(topology.CONNECTIONS)}, "How the hosts are reached."),
        "segments": named({"anyOf": [segment, {"type": "null"}]}),
        "hosts": {**named(host), "minProperties": 1},
        "streams": {"$ref": "#/$defs/streams"},
        "steps": {"$ref": "#/$defs/steps"},
    }, ("plugin", "segments", "hosts")), "$defs": definitions()}


def all_variables() -> Schema:
    found = {name: of_option(spec) for name, spec in variables.specs().items()}
    found.update((name, described(_DURATION, found[name].get("description", ""))) for name in variables.DURATIONS)
    found["mcast_streams"] = {"anyOf": [{"$ref": "#/$defs/streams"}, _TEMPLATE]}
    found["mcast_steps"] = {"anyOf": [{"$ref": "#/$defs/steps"}, _TEMPLATE]}
    found["mcast_bridges"] = described(named({"$ref": "#/$defs/switch"}), found["mcast_bridges"].get("description", ""))
    found["mcast_router"] = described(of_module("router", ("state",)), found["mcast_router"].get("description", ""))
    found["mcast_host_settings"] = described(of_module("interface", ("name",)), found["mcast_host_settings"].get(
        "description", ""))
    return {"type": ["object", "null"], "properties": dict(sorted(found.items())),
            "patternProperties": {f"^mcast_(?!{'|'.join(sorted(name[6:] + '$' for name in found))})": False},
            "$defs": definitions()}


def definitions() -> dict[str, Schema]:
    return {"streams": streams(), "steps": all_steps(), "switch": switch()}


def texts() -> dict[str, str]:
    """The files by name, as they are written."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return {f"{name}.json": json.dumps({**head, "title": title, **schema}, indent=1) + "\n" for name, title, schema in (
        ("topology", "A topology file of mcast.lab", whole_topology()),
        ("variables", "Variables of mcast.lab in group_vars and host_vars", all_variables()))}


if __name__ == "__main__":
    for name, text in texts().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
