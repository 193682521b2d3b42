# What the C in this folder offers; what each does stands with it in module.c.
from typing import TypeAlias

Buffer: TypeAlias = bytes | bytearray | memoryview

def gather(content: Buffer, starts: Buffer, ends: Buffer, /) -> bytes: ...
