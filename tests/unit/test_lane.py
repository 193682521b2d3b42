"""A lane keeps the order, and lets one source drop out without harm to the others or to what is under way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import pytest
import structlog.testing

from sftp_orchestrator.deliver.faults import SOURCE_FAILURES
from sftp_orchestrator.deliver.lane import Lane, MayBegin, Steps, begin_all
from sftp_orchestrator.errors import (
    DecisionNeeded,
    Failure,
    ReceiverRefused,
    SourceChanged,
    SourceFault,
    Transient,
    Unreachable,
)
from sftp_orchestrator.ledger.moves import IllegalMove
from sftp_orchestrator.ledger.records import Part, Source
from tests.support.records import make_part, make_source

Step = Callable[[Source, Part], Awaitable[None]]


async def _do_nothing(_source: Source, _part: Part) -> None:
    await asyncio.sleep(0)


@pytest.fixture(autouse=True, params=[0, 2, 16], ids="together={}".format)
def together(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Publish manifests one by one, or several in one go: the order is the same."""
    monkeypatch.setattr(_Journal, "together", request.param)


@dataclass(kw_only=True)
class _Journal:
    """The steps of a lane; what they did stands in ``lines``."""

    parts: int = 3
    upload: Step = _do_nothing
    publish: Step = _do_nothing
    may_begin: MayBegin = begin_all
    small: frozenset[str] = frozenset()
    """sources whose parts wait for no slot"""
    lines: list[str] = field(default_factory=list)
    together: ClassVar[int] = 0
    """manifests that are published in one go, at most"""

    async def run(self, *names: str, width: int = 4) -> list[str]:
        """Run a lane over sources of these names."""

        async def feed() -> AsyncIterator[list[Source]]:
            sources = [make_source(number=number, id=name) for number, name in enumerate(names, start=1)]
            yield sources[:1]
            yield sources[1:]

        steps = Steps(
            list_parts=self._list_parts,
            is_small=lambda source, _part: source.id in self.small,
            upload=self._upload,
            publish=self._publish,
            publish_several=self._publish_several,
            finish=self._finish,
            set_aside=self._set_aside,
            may_begin=self.may_begin,
        )
        await Lane(steps, width=width).run(feed())
        return self.lines

    async def _list_parts(self, sources: Sequence[Source]) -> dict[str, list[Part]]:
        numbers = range(1, self.parts + 1)
        return {source.id: [make_part(source_id=source.id, number=number) for number in numbers] for source in sources}

    async def _publish_several(self, parts: Sequence[tuple[Source, Part]]) -> list[Failure | None]:
        outcomes: list[Failure | None] = []
        for source, part in parts[: self.together]:
            before = [
                error for (other, _), error in zip(parts, outcomes, strict=False) if other.id == source.id and error
            ]
            try:
                if before:
                    raise before[0]
                await self.publish(source, part)
            except SOURCE_FAILURES as error:
                outcomes.append(error)
                continue
            except Failure:
                break
            else:
                outcomes.append(None)
            self.lines.append(f"out {source.id}{part.number}")
        return outcomes

    async def _upload(self, source: Source, part: Part) -> Part:
        try:
            await self.upload(source, part)
        finally:
            self.lines.append(f"up {source.id}{part.number}")
        return part

    async def _publish(self, source: Source, part: Part) -> None:
        try:
            await self.publish(source, part)
        finally:
            self.lines.append(f"out {source.id}{part.number}")

    async def _finish(self, source: Source) -> None:
        self.lines.append(f"done {source.id}")

    async def _set_aside(self, source: Source, error: Failure) -> None:
        self.lines.append(f"aside {source.id} {type(error).__name__}")


def _fail_at(name: str, number: int, error: Failure) -> Step:
    async def step(source: Source, part: Part) -> None:
        if (source.id, part.number) == (name, number):
            raise error

    return step


async def test_manifests_go_in_order_whatever_the_order_of_uploads() -> None:
    """The first part comes last, and is published first all the same."""
    late = asyncio.Event()

    async def upload(source: Source, part: Part) -> None:
        if (source.id, part.number) == ("a", 1):
            await late.wait()
        if (source.id, part.number) == ("b", 1):
            late.set()

    lines = await _Journal(upload=upload).run("a", "b")
    assert [line for line in lines if line.startswith("out")] == [
        "out a1",
        "out a2",
        "out a3",
        *("out b1", "out b2", "out b3"),
    ]
    assert lines.index("done a") > lines.index("out a3")
    assert lines.index("done b") > lines.index("out b3")


@pytest.mark.parametrize(
    "error",
    [
        SourceChanged("read", "a", "it changed"),
        DecisionNeeded("read", "a", "no"),
        SourceFault("read", "a", "Input/output error"),
        IllegalMove("move", "part a/1", "it is unknown"),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("number", [1, 3])
async def test_a_source_that_fails_drops_out_alone(error: Failure, number: int) -> None:
    """Whatever goes wrong with one source: it is set aside once, and the others are delivered."""
    for journal in (_Journal(upload=_fail_at("a", number, error)), _Journal(publish=_fail_at("a", number, error))):
        lines = await journal.run("a", "b")
        assert lines.count(f"aside a {type(error).__name__}") == 1
        assert "done a" not in lines
        assert lines[-1] == "done b"


async def test_a_source_is_set_aside_only_when_nothing_of_it_is_under_way() -> None:
    """Setting aside may forget its parts: uploads and the manifest under way come to their end first."""
    failed, published, begun = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def upload(_source: Source, part: Part) -> None:
        if part.number == 2:
            await published.wait()
            failed.set()
            raise SourceChanged("read", "a", "it changed")
        if part.number == 3:
            begun.set()
            await failed.wait()
            await asyncio.sleep(0.01)

    async def publish(_source: Source, _part: Part) -> None:
        await begun.wait()
        published.set()
        await failed.wait()
        await asyncio.sleep(0.02)

    lines = await _Journal(parts=20, upload=upload, publish=publish).run("a")
    assert lines[-1] == "aside a SourceChanged"
    assert {"up a3", "out a1"} <= set(lines)
    assert "out a2" not in lines


async def test_a_lost_line_ends_the_lane() -> None:
    """What concerns all of them is raised, and nobody is set aside for it."""
    journal = _Journal(upload=_fail_at("a", 2, Unreachable("upload", "a", "connection lost")))
    with pytest.raises(ExceptionGroup) as caught:
        await journal.run("a", "b")
    assert caught.group_contains(Unreachable)
    assert not [line for line in journal.lines if line.startswith("aside")]


@pytest.mark.parametrize(
    "error", [Transient("upload", "b", "a failure"), ReceiverRefused("upload", "b", "permission denied")]
)
async def test_a_file_that_is_not_taken_holds_up_only_what_comes_after_it(error: Failure) -> None:
    """What precedes it in the order is delivered first, though it takes longer; then the lane ends."""
    failed = asyncio.Event()

    async def upload(source: Source, part: Part) -> None:
        if (source.id, part.number) == ("b", 1):
            failed.set()
            raise error
        if source.id == "a":
            await failed.wait()
            await asyncio.sleep(0.01)

    journal = _Journal(parts=2, upload=upload)
    with pytest.raises(ExceptionGroup) as caught:
        await journal.run("a", "b", "c", "d", width=3)
    assert caught.group_contains(type(error))
    assert [line for line in journal.lines if not line.startswith("up")] == ["out a1", "out a2", "done a"]
    assert not [line for line in journal.lines if line.startswith(("up c", "up d"))]


@pytest.mark.parametrize("name", ["a", "b"])
async def test_sources_that_overtake_are_told(name: str) -> None:
    """When a source drops out in the middle, the log says which one went past it; nobody goes past the last one."""
    journal = _Journal(publish=_fail_at(name, 2, DecisionNeeded("publish", name, "no")))
    with structlog.testing.capture_logs() as logs:
        await journal.run("a", "b")
    told = [(line["source"], line["passed_over"]) for line in logs if line["event"] == "order_broken"]
    assert told == ([("b", ["a"])] if name == "a" else [])


async def test_a_source_that_may_not_begin_is_left_as_it_is_and_one_that_was_begun_is_seen_through() -> None:
    """A window may close in the middle of a source: its other parts go, no further source does."""
    begun: list[str] = []
    journal = _Journal(may_begin=lambda _: not begun)

    async def upload(source: Source, _part: Part) -> None:
        begun.append(source.id)

    journal.upload = upload
    lines = await journal.run("a", "b", "c")
    assert [line for line in lines if line.startswith(("out", "done"))] == ["out a1", "out a2", "out a3", "done a"]
    assert set(begun) == {"a"}


async def test_a_source_whose_turn_comes_when_it_may_not_begin_any_more_is_left() -> None:
    """Many are taken up before there is room for them: what counts is when their bytes would begin to go."""
    sent: list[str] = []
    journal = _Journal(may_begin=lambda source: source.id == "a" or not sent)

    async def upload(source: Source, part: Part) -> None:
        await asyncio.sleep(0.01)
        sent.append(f"{source.id}{part.number}")

    journal.upload = upload
    lines = await journal.run("a", "b", "c", "d", width=1)
    assert sent == ["a1", "a2", "a3"]
    assert [line for line in lines if line.startswith(("out", "done"))] == ["out a1", "out a2", "out a3", "done a"]


async def test_a_small_source_overtakes_nothing_that_the_hour_would_leave() -> None:
    """Once it is begun, ahead of its turn, what precedes it is begun with it: all of them go, in order."""
    is_open = True

    async def upload(source: Source, _part: Part) -> None:
        nonlocal is_open
        for _ in range(10):
            await asyncio.sleep(0)
        if source.id == "a":
            is_open = False

    journal = _Journal(parts=1, upload=upload, may_begin=lambda _: is_open, small=frozenset("c"))
    lines = await journal.run("a", "b", "c", width=1)
    assert [line for line in lines if line.startswith("out")] == ["out a1", "out b1", "out c1"]
