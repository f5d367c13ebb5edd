"""The documentation's pages: their links lead somewhere, and their commands are typed in one way."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.orgs.servers import CHECKOUT

PAGES = [*sorted(CHECKOUT.glob("*.md")), *sorted((CHECKOUT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s]+)\)")
# A command that finds no packages: the ones of `make up` are in .venv.
BARE = re.compile(r"(?<!\.venv/bin/)python3? manage\.py|(?:^|`)manage\.py \w+", re.MULTILINE)

over_pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))


def _anchors(page: Path) -> Iterator[str]:
    """Yield what the page's headings are linked by."""
    for heading in re.findall(r"^#+ (.*)$", BLOCK.sub("", page.read_text(encoding="utf-8")), re.MULTILINE):
        yield re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def _leads_somewhere(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    return target.exists() and (not anchor or anchor in _anchors(target))


@over_pages
def test_every_link_leads_somewhere(page: Path) -> None:
    links = LINK.findall(BLOCK.sub("", page.read_text(encoding="utf-8")))

    assert [link for link in links if not _leads_somewhere(page, link)] == []


@over_pages
def test_every_command_finds_its_packages(page: Path) -> None:
    assert BARE.findall(page.read_text(encoding="utf-8")) == []
