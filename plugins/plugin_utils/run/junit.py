# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A verdict as JUnit XML, which build servers read."""
from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from xml.etree import ElementTree

# What XML 1.0 can't hold, not even escaped (section 2.2).
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def text(results: Iterable[dict[str, Any]], errors: Iterable[tuple[str, str]]) -> bytes:
    """A suite for each host. results: those of results.json; errors: (name, message) of what else failed the run, which
    make a suite of their own."""
    suites = ElementTree.Element("testsuites", name="mcast.lab")
    by_host: dict[str, list[dict[str, Any]]] = {}
    for result in results:
        by_host.setdefault(result["host"], []).append(result)
    for host, cases in by_host.items():
        suite = _suite(suites, host, len(cases), sum(case["verdict"] in ("fail", "missing") for case in cases))
        for case in cases:
            _case(suite, host, case)
    errors = list(errors)
    if errors:
        suite = _suite(suites, "the run", len(errors), len(errors))
        for name, message in errors:
            element = ElementTree.SubElement(suite, "testcase", classname="the run", name=_xml(name))
            ElementTree.SubElement(element, "failure", message=_xml(name)).text = _xml(message)
    return ElementTree.tostring(suites, encoding="utf-8", xml_declaration=True)


def _suite(suites: ElementTree.Element, name: str, tests: int, failures: int) -> ElementTree.Element:
    return ElementTree.SubElement(suites, "testsuite", name=_xml(name), tests=str(tests), failures=str(failures))


def _case(suite: ElementTree.Element, host: str, case: dict[str, Any]) -> None:
    element = ElementTree.SubElement(suite, "testcase", classname=_xml(host), name=_xml(case["id"]),
                                     time=f"{case['elapsed']:.3f}")
    about = _xml(f"expected: {case['expected']}\nactual: {case['actual']}")
    if case["verdict"] in ("fail", "missing"):
        ElementTree.SubElement(element, "failure", message=_xml(case["description"])).text = about
    elif case["verdict"] == "warning":
        ElementTree.SubElement(element, "system-out").text = about


def _xml(value: str) -> str:
    return _NOT_XML.sub("\ufffd", value)
