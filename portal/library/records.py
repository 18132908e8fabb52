"""YAML read as plain text: every value is a string or None, and a key given twice is an error.

PyYAML's usual loaders turn `NO` into False, `0123` into 83 and let the second of two equal keys win; a
bibliography and a front matter want none of that, so each field is typed later, by the code that knows it.
"""

from collections.abc import Hashable
from typing import Any

import yaml

_ABSENT = {"", "~", "null"}


class _TextLoader(yaml.CBaseLoader):
    """PyYAML's loader without types: scalars stay text, an unquoted null is None."""

    def construct_scalar(self, node: yaml.ScalarNode) -> Any:
        value = super().construct_scalar(node)
        is_plain = not node.style or node.style == ":"
        return None if is_plain and value in _ABSENT else value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key.value!r} is given twice", problem_mark=key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep=True)


def read(text: str) -> Any:
    """Read one YAML document: strings, None, lists and dicts of them. ValueError names the faulty line."""
    try:
        return yaml.load(text, Loader=_TextLoader)  # noqa: S506 - strings only, builds no objects
    except yaml.MarkedYAMLError as fault:
        line = fault.problem_mark.line + 1 if fault.problem_mark else 0
        raise ValueError(f"line {line}: {fault.problem}") from None
    except yaml.YAMLError as fault:
        raise ValueError(str(fault)) from None
