# What the C in this folder offers; what each does stands with it in module.c and reader.c.
from typing import Self, TypeAlias

_Buffer: TypeAlias = bytes | bytearray | memoryview
_Writable: TypeAlias = bytearray | memoryview
_Spec: TypeAlias = dict[str, str | int | bytes | tuple[int, ...] | tuple[bytes, ...]]
_Seen: TypeAlias = tuple[int, int, int, int, int | None, int, list[tuple[int, int]], list[int], bytes, list[bytes]]

PADDING_BYTES: int

class Reader:
    def __new__(
        cls,
        width: int,
        delimiter: int,
        is_crlf: bool,
        max_record_bytes: int,
        screens: tuple[_Spec, ...],
        names: _Spec | None,
        stops_names: bool,
        time_column: int | None,
    ) -> Self: ...
    def look(self, content: _Buffer, size: int, added: int, /) -> tuple[str, int] | _Seen: ...

def find_cut(content: _Buffer, is_inside: bool, /) -> tuple[int, bool]: ...
def find_record_ends(content: _Buffer, offset: int, /) -> bytes: ...
def find_rows(content: _Buffer, base: int, time_column: int, delimiter: str, rows: _Writable, /) -> tuple[int, int]: ...
def sort_rows(rows: _Writable, spare: _Writable, /) -> bool: ...
def gather(content: _Buffer, rows: _Buffer, target: _Writable, /) -> int: ...
def number_rows(content: _Buffer, rows: _Buffer, first: int, delimiter: int, /) -> bytes: ...
