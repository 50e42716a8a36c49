"""Elements of OME-XML, whose names carry the version of the model in braces."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xml.etree import ElementTree

__all__ = ["first_child", "tag_of"]


def tag_of(element: ElementTree.Element) -> str:
    """Name of an element, whichever version of the model it is of."""
    return element.tag.rpartition("}")[2]


def first_child(parent: ElementTree.Element, tag: str) -> ElementTree.Element | None:
    """Find the first child of that name; None if there is none."""
    return next((child for child in parent if tag_of(child) == tag), None)
