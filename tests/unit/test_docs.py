# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The pages: those that are made of the code are current, links lead somewhere, and each page is two clicks from the
README."""
from __future__ import annotations

import importlib.util
import pathlib
import re
from typing import Any

import pytest
import yaml
from ansible_collections.mcast.lab.plugins.plugin_utils.run import judge

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = [page for pattern in ("*.md", "docs/**/*.md", "roles/*/README.md") for page in sorted(ROOT.glob(pattern))]


def linked(page: pathlib.Path) -> list[pathlib.Path]:
    """The files that a page links to."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
    return [(page.parent / target).resolve() for target in targets if "://" not in target]


@pytest.fixture(scope="module")
def docs() -> Any:
    """scripts/docs.py, as a module. (Not by runpy, which takes a file of a collection for a folder where ansible-test
    loads collections.)"""
    spec = importlib.util.spec_from_file_location("docs", ROOT / "scripts" / "docs.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_is_made_of_the_code_is_current(docs: Any) -> None:
    """`make generated` writes it."""
    texts = docs.texts()
    assert {ROOT / "docs" / "checks.md", ROOT / "plugins" / "modules" / "check.py",
            ROOT / "roles" / "receiver" / "README.md"} <= set(texts)
    for path, text in texts.items():
        assert path.read_text(encoding="utf-8") == text, path


def test_the_module_documents_each_check(docs: Any) -> None:
    """What is written into the module is YAML, and names each check and its options, once."""
    source = (ROOT / "plugins" / "modules" / "check.py").read_text(encoding="utf-8")
    shown = yaml.safe_load(source.split('r"""')[1].split('"""')[0])["options"]["checks"]["description"]
    for name, check in judge.CHECKS.items():
        about = [text for text in shown if re.match(rf"C\({re.escape(name)}\)[ ,]", text)]
        assert about == [docs.marked(docs.bullet(check))]
        assert all(f"C({option}) (" in about[0] for option in check.PARAMS)


def test_a_changed_module_is_written_anew(docs: Any) -> None:
    """Only the list of checks, whatever stood there."""
    source = (ROOT / "plugins" / "modules" / "check.py").read_text(encoding="utf-8")
    assert docs.module(source.replace("        The checks C(pim.*) ask FRR.\n", "        Something old.\n")) == source


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_link_leads_somewhere(page: pathlib.Path) -> None:
    missing = [str(target) for target in linked(page) if not target.exists()]
    assert not missing


def test_each_page_is_two_clicks_from_the_readme() -> None:
    near = {ROOT / "README.md"}
    for _click in range(2):
        near |= {target for page in near if page.suffix == ".md" for target in linked(page)}
    assert not [str(page) for page in PAGES if page not in near]
