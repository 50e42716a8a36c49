"""Adapt pages of the documentation as MkDocs makes them."""

from __future__ import annotations

import re

ROLE = re.compile(r":(?:class|data|func|meth|mod):<code>~?(?:[\w.]*\.)?(\w+)</code>")


def on_page_content(html: str, **_: object) -> str:
    """Take the roles out of docstrings: `:func:` and so on, which Python readers know.

    Of a name with dots the last part is left, as with the ``~`` of Sphinx.
    """
    return ROLE.sub(r"<code>\1</code>", html)
