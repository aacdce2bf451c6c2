# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The JSON Schemas: current, and of one mind with the readers about what is right and what is wrong."""
from __future__ import annotations

import copy
import json
import pathlib
import re
import runpy
from typing import Any

import pytest
import yaml
from ansible_collections.mcast.lab.plugins.module_utils import stream
from ansible_collections.mcast.lab.plugins.module_utils.error import McastError
from ansible_collections.mcast.lab.plugins.module_utils.lab import topology
from ansible_collections.mcast.lab.plugins.plugin_utils import variables

jsonschema = pytest.importorskip("jsonschema")
ROOT = pathlib.Path(__file__).resolve().parents[2]
SCHEMAS = {path.stem: json.loads(path.read_text()) for path in (ROOT / "schemas").glob("*.json")}
RIGHT = {
    "plugin": "mcast.lab.topology",
    "segments": {"lan": {"ipv4": "10.0.0.0/24", "switch": {"snooping": True, "query_interval": 2, "router": "always"}}},
    "hosts": {"a": {"interfaces": {"eth0": {"segment": "lan"}}, "querier": {"query_interval": 2}},
              "b": {"interfaces": {"eth0": {"segment": "lan", "ipv4": "10.0.0.9"}}, "count": 1}},
    "streams": {"news": {"group": ["239.1.1.1", "ff15::1"], "port": 5000, "from": {"a": "eth0"}, "to": ["b"],
                         "soak": "5s"}},
    "steps": [{"name": "one", "receive": ["news"], "expect": {"b": [{"member": ["news"]}]}}],
}


def errors(name: str, document: Any) -> list[str]:
    return [error.message for error in jsonschema.Draft202012Validator(SCHEMAS[name]).iter_errors(document)]


def test_the_files_are_current() -> None:
    """`make generated` writes them."""
    made = runpy.run_path(str(ROOT / "scripts" / "schema.py"))["texts"]()
    assert {path.name: path.read_text() for path in (ROOT / "schemas").glob("*.json")} == made
    for schema in SCHEMAS.values():
        jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("path", sorted((ROOT / "inventories").glob("*/topology.yml")),
                         ids=lambda path: path.parent.name)
def test_each_scenario_is_right(path: pathlib.Path) -> None:
    assert errors("topology", yaml.safe_load(path.read_text())) == []
    for beside in sorted(path.parent.glob("*_vars/*.yml")):
        assert errors("variables", yaml.safe_load(beside.read_text())) == []


def test_the_examples_of_the_docs_are_right() -> None:
    seen = 0
    for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for block in re.findall(r"^```yaml\n(.*?)^```", path.read_text(), re.M | re.S):
            for document in yaml.safe_load_all(block):
                if isinstance(document, dict) and document.get("plugin") and "hosts" in document:
                    assert errors("topology", document) == [], (path, document)
                    seen += 1
                elif isinstance(document, dict) and all(str(key).startswith("mcast_") for key in document):
                    assert errors("variables", document) == [], (path, document)
                    seen += 1
    assert seen > 4


def test_each_key_has_a_row_in_the_docs() -> None:
    """A stream's keys are those of the reader, and of the table."""
    keys = SCHEMAS["topology"]["$defs"]["streams"]["additionalProperties"]["properties"]
    table = re.findall(r"^\| (`[a-z].*?) \|", (ROOT / "docs" / "verify.md").read_text(), re.M)
    assert set(keys) == set(stream.KEYS)
    assert set(keys) <= {name for row in table for name in re.findall(r"`(\w+)`", row)}


# path to what is put there, what is put there
WRONG: list[tuple[str, Any]] = [
    ("plugin", "mcast.lab.topologie"), ("conection", "ssh"), ("connection", "telnet"), ("segments", None),
    ("segments.lan.ipv5", "10.0.0.0/24"), ("segments.lan.switch.snoping", True), ("segments.lan.switch.snooping", "on"),
    ("segments.lan.switch.query_interval", 0), ("segments.lan.switch.igmp_version", 1),
    ("segments.lan.switch.router", "sometimes"), ("hosts", {}), ("hosts.a.interfaces.eth0.segment", 5),
    ("hosts.a.interfaces.eth0", {}), ("hosts.a.interfaces.eth0.vlan", 7), ("hosts.a.interface", {}),
    ("hosts.b.count", 0), ("hosts.a", {}), ("streams", {}), ("streams.news.port", 0), ("streams.news.port", 65536),
    ("streams.news.grp", "239.1.1.1"), ("streams.news", {"group": "239.1.1.1", "port": 5}), ("streams.a b", {
        "group": "239.1.1.1", "port": 5, "from": "a", "to": "b"}),
    ("streams.news.filter_mode", "includes"), ("streams.news.ttl", 256), ("streams.news.interval", -1),
    ("streams.news.soak", "long"), ("streams.news.payload", 5), ("streams.news.sources", 5),
]


@pytest.mark.parametrize(("path", "value"), WRONG, ids=[f"{path} = {value!r}" for path, value in WRONG])
def test_what_the_readers_refuse_is_underlined_too(path: str, value: Any) -> None:
    document = copy.deepcopy(RIGHT)
    place, keys = document, path.split(".")
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    assert errors("topology", document)
    if keys[0] != "plugin":  # which the inventory plugin reads
        with pytest.raises(McastError):
            read(document)


def read(document: dict[str, Any]) -> None:
    topology.settle({**document, "hosts": topology.numbered(document["hosts"])}, "lab")
    stream.check(document["streams"])


def test_what_is_right_is_neither_refused_nor_underlined() -> None:
    assert errors("topology", RIGHT) == []
    read(copy.deepcopy(RIGHT))


STEPS: list[Any] = [
    [{"receive": ["news"]}], [{"name": "one", "recieve": ["news"]}], [{"name": "a/b"}], {"name": "one"},
    [{"name": "one", "expect": {"b": [{"membr": ["news"]}]}}], [{"name": "one", "expect": {"b": {"member": "news"}}}],
    [{"name": "one", "expect": {"b": [{"member": "news", "receives": "news"}]}}],
]


@pytest.mark.parametrize("steps", STEPS, ids=str)
def test_wrong_steps_are_underlined(steps: Any) -> None:
    assert errors("topology", {**RIGHT, "steps": steps}) and errors("variables", {"mcast_steps": steps})


# variables that the check of variables refuses, and others that it takes
VARIABLES: list[tuple[dict[str, Any], bool]] = [
    ({"mcast_captur": True}, False), ({"mcast_host_settings": ["eth0"]}, False),
    ({"mcast_gather_forks": "many"}, False),
    ({"mcast_querier": {"backend": "linux"}}, False), ({"mcast_querier": {"igmp": 2}}, False),
    ({"mcast_evidence_within": "soon"}, False), ({"mcast_capture_interfaces": {"eth0": 1}}, False),
    ({"mcast_evidence_within": "10s", "mcast_capture": False, "other": 1, "mcast_hosts": "all:!b"}, True),
    ({"mcast_bridges": {"br0": {"snooping": True}}, "mcast_capture_max_size": 4096}, True),
    ({"mcast_querier": {"backend": "frr", "query_interval": 2.5}}, True), ({}, True),
]


@pytest.mark.parametrize(("given", "right"), VARIABLES, ids=[str(given) for given, unused in VARIABLES])
def test_variables(given: dict[str, Any], right: bool) -> None:
    assert (errors("variables", given) == []) is right
    try:
        variables.check({"a": given}, ["a"])
        taken = True
    except McastError:
        taken = False
    assert taken is right
