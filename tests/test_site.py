"""The documentation: it is built without a network and without a warning, and no link leads nowhere.

What its examples do is tested by tests/test_docs.py.
"""

from __future__ import annotations

import html
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import insights
from docs import providers_table
from tests.processes import REPO, Run, run_python

DOCS = REPO / "docs"
PAGES = sorted(
    path
    for path in (
        *(REPO / f"{name}.md" for name in ("README", "CONTRIBUTING", "SECURITY", "CHANGELOG")),
        REPO / "cassettes" / "README.md",
        *DOCS.glob("**/*.md"),
    )
    if path.is_file()
)
FIXTURES = ("insights_cassette", "insights_cassette_config")
# Sphinx as `make docs` runs it, with no way out: who tries one is told, even where the attempt is swallowed.
BUILD = """
import sys
import tests.network_guard as guard
guard.install()
from sphinx.cmd.build import main
code = main(["-b", "html", "-W", "-n", "--keep-going", "-q", *sys.argv[1:]])
assert not guard.refused, guard.refused
sys.exit(code)
"""
NOWHERE = "http://127.0.0.1:9"


def build(source: Path, target: Path) -> Run:
    """The site of `source`, in `target`."""
    proxies = {f"{name}_PROXY": NOWHERE for name in ("HTTP", "HTTPS", "ALL")}
    environ = {"PYTHONPATH": str(REPO), "LC_ALL": "C.UTF-8", **proxies, **{k.lower(): v for k, v in proxies.items()}}
    doctrees = target.with_name(f"{target.name}-doctrees")
    return run_python("-c", BUILD, "-d", str(doctrees), str(source), str(target), env=environ)


# ---------------------------------------------------------------- the built pages


def test_the_site(tmp_path: Path) -> None:
    site = tmp_path / "site"
    run = build(DOCS, site)
    assert run.returncode == 0, run.stdout + run.stderr
    pages = {path.relative_to(site).as_posix(): path.read_text(encoding="utf-8") for path in site.rglob("*.html")}
    missing = {f"{path.relative_to(DOCS).with_suffix('')}.html" for path in DOCS.glob("**/*.md")} - {*pages}
    assert not missing
    documented = {
        name
        for page, text in pages.items()
        if page.startswith("api/")
        for name in re.findall(r'\bid="(?:module-)?(insights\.[\w.]+)"', text)
    }
    lacking = {f"insights.{name}" for name in insights.__all__} - documented
    assert not lacking, "public names without a place on a page of docs/api/"
    assert {f"insights.cassettes.plugin.{name}" for name in FIXTURES} <= documented
    for page, said in (
        ("index.html", "Three uses"),
        ("api/errors.html", "└── APIError"),
        ("api/calls.html", "hedge_after"),
        ("changelog.html", "Unreleased"),
        ("contributing.html", "make test"),
        ("providers.html", "OPENROUTER_API_KEY"),
    ):
        assert said in readable(pages[page]), page
    # What stands behind `python` in a fence is the tests', and doesn't keep a block from being shown as code.
    for path in DOCS.glob("**/*.md"):
        source, shown = path.read_text(encoding="utf-8"), pages[f"{path.relative_to(DOCS).with_suffix('')}.html"]
        for kind in ("python", "output"):
            fences = re.findall(rf"^ *```{kind}\b", source, re.MULTILINE)
            assert shown.count(f'class="highlight-{kind} ') == len(fences), (path, kind)
    # Everything is in the site itself: a page looks the same without a network.
    for page, text in pages.items():
        fetched = re.findall(r'<(?:script|img|iframe)[^>]*\bsrc="([^"]+)"|<link[^>]*rel="stylesheet"[^>]*href="([^"]+)"', text)
        assert not [url for pair in fetched for url in pair if url.startswith(("http", "//"))], page


def readable(page: str) -> str:
    """The text of a page, without its marks."""
    return html.unescape(re.sub(r"<[^>]+>", "", page))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("# T\n\n[there](nowhere.md)\n", "nowhere.md"),
        ("# T\n\n[there](#nowhere)\n", "nowhere"),
        ("# T\n\n```{eval-rst}\n.. autofunction:: insights.complete\n```\n", "complete"),
        ("# T\n\n```{eval-rst}\n:py:func:`insights.Nothing`\n```\n", "insights.Nothing"),
        ("# T\n\n```{toctree}\nnowhere\n```\n", "nowhere"),
    ],
    ids=["page", "anchor", "name", "reference", "toctree"],
)
def test_a_page_with_a_mistake_is_not_built(text: str, told: str, tmp_path: Path) -> None:
    source = tmp_path / "docs"
    source.mkdir()
    shutil.copy(DOCS / "conf.py", source)
    (source / "index.md").write_text(text, encoding="utf-8")
    run = build(source, tmp_path / "site")
    assert run.returncode != 0
    assert told in run.stderr


# ---------------------------------------------------------------- the page that is made


def test_the_table_of_providers_is_the_codes() -> None:
    assert providers_table.PAGE.read_text(encoding="utf-8") == providers_table.page(), (
        f"docs/providers.md is out of date; {providers_table.COMMAND} makes it anew"
    )


def test_the_table_says_nothing_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = providers_table.table()
    (tmp_path / "openai.yaml").write_text("openai:\n  env_key: MINE_API_KEY\n", encoding="utf-8")
    monkeypatch.setenv("INSIGHTS_CONFIG_DIR", str(tmp_path))
    assert providers_table.table() == before


def test_the_command_writes_it(tmp_path: Path) -> None:
    shutil.copy(DOCS / "providers_table.py", tmp_path)
    run = run_python(str(tmp_path / "providers_table.py"), env={"PYTHONPATH": str(REPO)}, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "providers.md").read_text(encoding="utf-8") == providers_table.page()


# ---------------------------------------------------------------- links


@dataclass(frozen=True)
class Link:
    """A link of a page, and its line."""

    line: int
    target: str


_CODE = re.compile(r"^(?P<fence> *(?:`{3,}|~{3,}))[^\n]*\n.*?^(?P=fence)[ \t]*$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)
_LINK = re.compile(r"\]\(<?([^()\s<>]+(?:\([^()\s]*\)[^()\s<>]*)*)>?(?:\s+\"[^\"]*\")?\)")
_REFERENCE = re.compile(r"^ {0,3}\[[^\]]+\]:\s+<?(\S+?)>?\s*$", re.MULTILINE)
_AUTO = re.compile(r"<(https?://[^>\s]+)>")
_HEADING = re.compile(r"^ {0,3}#{1,6}\s+(.+?)\s*#*$", re.MULTILINE)


def _blank(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match.group())


def links(text: str) -> Iterator[Link]:
    """The links of a Markdown page, those in code left out."""
    prose = _SPAN.sub(_blank, _CODE.sub(_blank, text))
    for pattern in (_LINK, _REFERENCE, _AUTO):
        for match in pattern.finditer(prose):
            yield Link(prose[: match.start()].count("\n") + 1, match[1])


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    found: set[str] = set()
    for match in _HEADING.finditer(_CODE.sub(_blank, text)):
        title = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", match[1])
        slug = re.sub(r"[^\w\- ]", "", title.replace("`", "").replace("*", "").lower()).replace(" ", "-")
        number, name = 0, slug
        while name in found:
            number += 1
            name = f"{slug}-{number}"
        found.add(name)
    return found


def fault(target: str, page: Path) -> str | None:
    """What is wrong with a link; None: nothing."""
    parts = urlsplit(target)
    if parts.scheme or target.startswith("//"):
        if parts.scheme == "mailto":
            return None
        if parts.scheme != "https" or not parts.hostname or "." not in parts.hostname:
            return "an external link is https://..."
        return "no host of packages" if re.search(r"pypi|pythonhosted|npmjs|crates\.io|mirror", parts.hostname) else None
    path = page.parent / unquote(parts.path) if parts.path else page
    if not path.exists() or not path.resolve().is_relative_to(REPO.resolve()):
        return f"there is no {parts.path}"
    if parts.fragment and (path.suffix != ".md" or parts.fragment not in anchors(path.read_text(encoding="utf-8"))):
        return f"{os.path.relpath(path, REPO)} has no heading #{parts.fragment}"
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPO)))
def test_links(page: Path) -> None:
    found = [(link, fault(link.target, page)) for link in links(page.read_text(encoding="utf-8"))]
    assert [f"{page}:{link.line}: {link.target}: {wrong}" for link, wrong in found if wrong] == []


def test_there_are_links() -> None:
    assert sum(len(list(links(page.read_text(encoding="utf-8")))) for page in PAGES) >= 50


PAGE = """\
# One `thing`, and another!

[a](docs/cache.md) ![b](img.png "title")
`[not](a-link.md)` and <https://example.com/x>

## Again
## Again

```md
[not](a-link.md)
# not a heading
```

[ref]: docs/costs.md
"""


def test_links_and_anchors_are_found() -> None:
    assert sorted((link.line, link.target) for link in links(PAGE)) == [
        (3, "docs/cache.md"),
        (3, "img.png"),
        (4, "https://example.com/x"),
        (14, "docs/costs.md"),
    ]
    assert anchors(PAGE) == {"one-thing-and-another", "again", "again-1"}


@pytest.mark.parametrize(
    "target",
    [
        "docs/nothing.md",
        "docs/cache.md#nothing",
        "#nothing",
        "docs/demo.py#main",
        "../outside.md",
        "http://example.com/",
        "//example.com/",
        "https://pypi.org/project/x",
        "ftp://example.com/",
    ],
)
def test_a_link_that_leads_nowhere(target: str) -> None:
    assert fault(target, REPO / "README.md") is not None


@pytest.mark.parametrize("target", ["docs/cache.md", "docs/costs.md#budgets", "docs", "https://example.com/a#b", "#three-uses"])
def test_a_link_that_leads_somewhere(target: str) -> None:
    assert fault(target, REPO / "README.md") is None


def test_files_that_the_security_page_names_are_there() -> None:
    named = re.findall(r"`((?:insights|tests)/[\w./]*)`", (DOCS / "security.md").read_text(encoding="utf-8"))
    assert len(named) >= 10
    assert [name for name in named if not (REPO / name).exists()] == []
