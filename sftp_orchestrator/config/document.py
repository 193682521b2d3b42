"""A YAML text as plain values, each with the line it stands in; YAML's own surprises are findings, not values."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

import yaml

from sftp_orchestrator.config import findings
from sftp_orchestrator.config.findings import Finding, KeyPath

_Loader: type[yaml.SafeLoader | yaml.CSafeLoader] = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader

_TAG = "tag:yaml.org,2002:"
_PLAIN_TAGS = frozenset(
    _TAG + name for name in ("str", "int", "float", "bool", "null", "timestamp", "value", "map", "seq")
)
_MERGE = _TAG + "merge"
_MOST_VALUES = 200_000
"""Aliases of aliases can make a small text huge; a real configuration stays far below."""

# YAML 1.1 reads 022 as eighteen and 22:30 as 1350. Nobody means that: such a scalar stays the text that was written.
_SURPRISING_NUMBER = re.compile(r"[-+]?0[0-9_]+|[-+]?[0-9][0-9_]*(:[0-9_]+)+(\.[0-9_]*)?")

# The parser quotes the text it stumbles on, which may be a secret pasted in place; only its own <tokens> are kept.
_QUOTED = re.compile(r"(['\"])(?!<)[^'\"]{3,}\1")

_UNPRINTABLE = re.compile(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class NotYamlError(Exception):
    """The text is not YAML: ``said`` why, at ``line`` and ``column``, both counted from 1. Echoes nothing of it."""

    def __init__(self, said: str, line: int, column: int) -> None:
        self.said = said
        self.line = line
        self.column = column
        super().__init__(said, line, column)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """Where a value stands: ``line`` from 1; ``text`` as written, quotes shown, None for a list or a mapping."""

    line: int
    kind: str
    text: str | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Document:
    """A parsed text: ``value`` of dict, list, str, int, float, bool, None; ``problems`` without a file's name."""

    value: object
    places: dict[KeyPath, Place]
    problems: tuple[Finding, ...]

    def get_line(self, path: KeyPath) -> int:
        """Return the line of ``path``, or of the nearest section around it that is written down."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places[path].line if path in self.places else 1


def parse(text: str) -> Document:
    """Return ``text`` as a document; an empty one has the value None. Pure.

    Raises:
        NotYamlError: it is not YAML, or more than one document, or refers to itself.
    """
    if bad := _UNPRINTABLE.search(text):
        before = text[: bad.start()]
        said = f"the character U+{ord(bad.group()):04X} is not allowed"
        raise NotYamlError(said, before.count("\n") + 1, bad.start() - before.rfind("\n"))
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        return _Reader(loader).read(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = ": ".join(_QUOTED.sub("…", part) for part in (error.context, error.problem) if part)
        failure = NotYamlError(said, mark.line + 1 if mark else 1, mark.column + 1 if mark else 1)
    finally:
        loader.dispose()
    # Raised out here, with no cause and no context: PyYAML's own text repeats the lines, secrets too.
    raise failure


class _Reader:
    """Turns nodes into values, and notes places and problems on the way."""

    def __init__(self, loader: yaml.SafeLoader | yaml.CSafeLoader) -> None:
        self._loader = loader
        self._places: dict[KeyPath, Place] = {}
        self._problems: list[Finding] = []
        self._open: set[int] = set()

    def read(self, root: yaml.Node | None) -> Document:
        value = None if root is None else self._value(root, (), root.start_mark.line + 1)
        return Document(value=value, places=self._places, problems=tuple(self._problems))

    def _value(self, node: yaml.Node, path: KeyPath, line: int) -> object:
        if id(node) in self._open or len(self._places) >= _MOST_VALUES:
            said = "it refers to itself" if id(node) in self._open else "it is too large"
            raise NotYamlError(said, node.start_mark.line + 1, node.start_mark.column + 1)
        self._open.add(id(node))
        self._places[path] = Place(line=line, kind=_kind(node), text=_written(node))
        if node.tag not in _PLAIN_TAGS:
            hint = "put a text that begins with '!' in quotes"
            self._problem(path, node.start_mark.line + 1, "a tag is not allowed", hint)
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            if isinstance(node, yaml.ScalarNode):
                return self._resolve(node) if node.tag in _PLAIN_TAGS else str(node.value)
            items: list[yaml.Node] = node.value
            return [self._value(item, (*path, index), item.start_mark.line + 1) for index, item in enumerate(items)]
        finally:
            self._open.remove(id(node))

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, object]:
        values: dict[str, object] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                continue
            line = key_node.start_mark.line + 1
            key = self._key(key_node, path)
            if key in values:
                first = self._places[*path, key].line
                self._problem((*path, key), line, "is given twice", f"it stands in line {first} already")
            else:
                values[key] = self._value(value_node, (*path, key), line)
        # As YAML has it: what stands in the mapping itself wins over what is merged in, the first merged over the next.
        for merged in self._merged(node, path, frozenset(self._open)):
            for key_node, value_node in merged.value:
                if key_node.tag == _MERGE:
                    continue
                key = self._key(key_node, path)
                if key not in values:
                    values[key] = self._value(value_node, (*path, key), key_node.start_mark.line + 1)
        return values

    def _merged(self, node: yaml.MappingNode, path: KeyPath, seen: frozenset[int]) -> Iterator[yaml.MappingNode]:
        for key_node, value_node in node.value:
            if key_node.tag != _MERGE:
                continue
            for source in value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]:
                if not isinstance(source, yaml.MappingNode) or id(source) in seen:
                    line = key_node.start_mark.line + 1
                    self._problem(path, line, "'<<' must be followed by an alias of another mapping")
                    continue
                yield source
                yield from self._merged(source, path, seen | {id(source)})

    def _key(self, node: yaml.Node, path: KeyPath) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise NotYamlError("a key must be text", node.start_mark.line + 1, node.start_mark.column + 1)
        key = str(node.value)
        if node.tag not in {_TAG + "str", _TAG + "value"} and not isinstance(self._resolve(node), str):
            said = f"YAML does not read this key as text, but as {_kind(node)}"
            self._problem((*path, key), node.start_mark.line + 1, said, "put it in quotes")
        return key

    def _resolve(self, node: yaml.ScalarNode) -> object:
        as_text = node.tag in {_TAG + "str", _TAG + "timestamp", _TAG + "value"}
        if as_text or (not node.style and _SURPRISING_NUMBER.fullmatch(node.value)):
            return str(node.value)
        try:
            return self._loader.construct_object(node)
        except (ValueError, KeyError, IndexError):  # what PyYAML gives for !!int x, !!bool x, !!int ""
            return str(node.value)

    def _problem(self, path: KeyPath, line: int, said: str, hint: str | None = None) -> None:
        self._problems.append(findings.Finding(path=path, line=line, said=said, hint=hint))


def _kind(node: yaml.Node) -> str:
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    words = {"int": "a number", "float": "a number", "bool": "true or false", "null": "nothing"}
    return words.get(node.tag.removeprefix(_TAG), "text")


def _written(node: yaml.Node) -> str | None:
    if not isinstance(node, yaml.ScalarNode):
        return None
    text = str(node.value)
    return f'"{text}"' if node.style in {'"', "'"} else text
