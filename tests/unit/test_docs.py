# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The pages: those of roles are current, links lead somewhere, and each page is two clicks from the README."""
from __future__ import annotations

import pathlib
import re
import runpy

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = [page for pattern in ("*.md", "docs/**/*.md", "roles/*/README.md") for page in sorted(ROOT.glob(pattern))]


def linked(page: pathlib.Path) -> list[pathlib.Path]:
    """The files that a page links to."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
    return [(page.parent / target).resolve() for target in targets if "://" not in target]


def test_the_readmes_of_roles_are_current() -> None:
    """`make generated` writes them."""
    for path, text in runpy.run_path(str(ROOT / "scripts" / "docs.py"))["texts"]().items():
        assert path.read_text(encoding="utf-8") == text, path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_link_leads_somewhere(page: pathlib.Path) -> None:
    missing = [str(target) for target in linked(page) if not target.exists()]
    assert not missing


def test_each_page_is_two_clicks_from_the_readme() -> None:
    near = {ROOT / "README.md"}
    for _click in range(2):
        near |= {target for page in near if page.suffix == ".md" for target in linked(page)}
    assert not [str(page) for page in PAGES if page not in near]
