"""How Sphinx builds the documentation: `make docs`. Nothing is fetched, and every warning is an error."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import roles
from docutils.parsers.rst.states import Inliner
from sphinx.application import Sphinx
from sphinx.ext.napoleon import GoogleDocstring
from sphinx.roles import XRefRole

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # where the package isn't installed

import insights

project = "insights"
author = "The insights authors"
project_copyright = author
version = release = insights.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["**/__pycache__"]
myst_heading_anchors = 4  # the anchors that GitHub gives to headings
myst_links_external_new_tab = False

html_theme = "furo"
html_title = f"insights {release}"
html_copy_source = False
html_show_sphinx = False

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autodoc_default_options = {"members": True, "exclude-members": "model_config, model_post_init"}
napoleon_numpy_docstring = False
napoleon_custom_sections = [("Attributes", "params_style")]
napoleon_use_param = False  # one entry may be about several arguments
napoleon_use_rtype = False
python_use_unqualified_type_names = True
maximum_signature_line_length = 110
toc_object_entries_show_parents = "hide"
default_role = "name"

# Types of the standard library, of other packages and of the inner rooms have no page here. A public name that is written
# wrongly (`insights.Somthing`) is still an error.
nitpick_ignore_regex = [(r"py:.*", r"(?!insights\.[A-Z])[\s\S]*")]

_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_ITEM = re.compile(r"(?P<indent> {8,})(?P<name>[a-z_]\w*(, [a-z_]\w*)*): (?P<text>.*)")
_RAISES = re.compile(r"(?<=\S) (?=(?:[A-Z]\w*Error|Timeout): )")
_kept: dict[str, list[str]] = {}


def name_role(
    role: str, rawtext: str, text: str, line: int, inliner: Inliner, options: Any = None, content: Any = ()
) -> tuple[list[nodes.Node], list[nodes.system_message]]:
    """What stands between single backticks in a docstring: a link where it is one of our names, else code."""
    if _DOTTED.fullmatch(text):
        return XRefRole()("py:obj", rawtext, text, line, inliner, {}, [])
    return [nodes.literal(rawtext, text, classes=["xref"])], []


def lay_out(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Docstrings as they are written here, for reStructuredText: a list inside an argument's text, errors one after another."""
    found: list[str] = []
    section, inside = "", False
    for line in lines:
        depth = len(line) - len(line.lstrip())
        if line and not depth:
            section, inside = line, False
        item = _ITEM.fullmatch(line) if section == "Args:" else None
        if item is not None:
            if not inside:
                found.append("")
            found.append(f"{item['indent']}* ``{item['name']}``: {item['text']}")
            inside = True
        elif inside and depth > 8:
            found.append(f"{' ' * 10}{line.lstrip()}")
        elif section == "Raises:" and depth:
            found += [part if not number else f"    {part}" for number, part in enumerate(_RAISES.split(line)) if part]
        else:
            inside = inside and not line
            found.append(line)
    lines[:] = found


def keep(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Lays out what is said of an attribute: napoleon would take what stands before its first colon for a type."""
    if what in ("attribute", "data", "property"):
        _kept[name] = GoogleDocstring(lines, app.config, app).lines()


def give_back(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Puts that in the place of what napoleon made of it."""
    lines[:] = _kept.pop(name, lines)


def as_cited(app: Sphinx, env: Any, node: Any, contnode: nodes.Element) -> nodes.Element | None:
    """A name as the code says it (`Cost`, `insights.core.types.Cost`), for the public one."""
    last = str(node.get("reftarget", "")).rpartition(".")[2]
    if node.get("refdomain") != "py" or last not in insights.__all__:
        return None
    found: nodes.Element | None = env.domains["py"].resolve_xref(
        env, node["refdoc"], app.builder, "obj", f"insights.{last}", node, contnode
    )
    return found


def setup(app: Sphinx) -> dict[str, Any]:
    """Sphinx's door to the hooks above."""
    roles.register_local_role("name", name_role)
    app.connect("autodoc-process-docstring", lay_out, priority=100)  # before napoleon reads them
    app.connect("autodoc-process-docstring", keep, priority=200)
    app.connect("autodoc-process-docstring", give_back, priority=900)
    app.connect("missing-reference", as_cited)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
