"""Cells that are hard to judge: on the border of every rule, or written as no one expects."""

from __future__ import annotations

from hypothesis import strategies

NUMBERS = (
    *("0", "1", "-1", "007", "+5", "1.5", "1.", ".5", "1e3", "1E-3", "1_000", "1,5", " 1", "1 ", "0x10", "NaN", "inf"),
    *("2147483647", "2147483648", "-2147483648", "-2147483649", "9223372036854775807", "9223372036854775808"),
    *("-9223372036854775808", "-9223372036854775809", "1e308", "1e309", "-1e400", "9" * 40, "\u0661\u0667", "--1", "-"),
)
TIMES = (
    *("0", "1700000000", "1700000000000", "170000000", "99999999999", "-5", "1767225600", "1767311999", "1767312001"),
    *("1.7e9", "1700000000.0", "soon", "17000000000000000000000", "2023-11-14", "\uff11\uff17"),
)
DATES = (
    *("31/12/2024 23:59:59", "12/31/2024 23:59:59", "29/02/2023 00:00:00", "29/02/2024 00:00:00", "1/2/2024 0:0:0"),
    *("2024/31/12 00:00:00", "2024/12/31 24:00:00", "2024/12/31 23:60:00", "31 Dec 2024 10:00:00", "31 dec 2024"),
    *("31 Nov 2024 10:00:00", "31/12/2024", "12/31/2024", "2024/12/31", "2024/31/12", "31 Dec 2024", "2024-12-31"),
    *("2024-12-31T10:00:00", "2024-12-31 10:00:00", "2024-02-30", "0000-01-01", "0001-01-01", "9999-12-31"),
    *("1700000000", "-62135596800", "-62135596801", "253402300799", "253402300800", "31/12/2024 23:59:59 "),
)
WORDS = (
    *("true", "FALSE", "1", "0", "yes", "tRue ", "$D_1700000000", "$D_", "$D_17e8", "$D_-5", "$D_999999999999"),
    *("$add", "$remove", "$set", "$delete", "$Add", " $set", "add", "x" * 512, "x" * 513, "é" * 512, "é" * 513),
    *("", " ", "\t", "\u00a0", "\u3000 ", "null", "NULL ", "N/A", "-Infinity", "\u00a0nan", "undefined", "xxxxxx", "a"),
    *("test\u2028", "\x1fblank", "none.", "x" * 1023, "x" * 1024, "Sold", "sold%", "a#b", "a.b", "App Launched"),
    *("app launched ", "SCEND", "stayed", "Charged", "a'b", 'say "hi"', "two\nlines", "a,b", "(abc)!:@$_-", "a b"),
    *("+491701234567", "M", "\u212a", "te\u017ft", "wzrk_d", "\ufeffnull", "\x85null"),
)
LISTED = (*NUMBERS, *TIMES, *DATES, *WORDS)
CELLS = strategies.one_of(
    strategies.sampled_from(LISTED),
    strategies.text(max_size=12).filter(lambda text: "\0" not in text and "\r" not in text),
    strategies.integers().map(str),
    strategies.floats().map(str),
    strategies.datetimes().map(lambda moment: moment.strftime("%d/%m/%Y %H:%M:%S")),
)
