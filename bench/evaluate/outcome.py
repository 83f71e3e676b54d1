"""What one topic came to: pure functions of the job as the service shows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from bench.evaluate import liveness, scan
from bench.evaluate.liveness import Answer
from bench.evaluate.topics import Topic
from orchestrator.jobs import JobStatus

View = Mapping[str, Any]
"""A job as ``GET /orchestrator/job/{id}`` answers it, in wire names."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One topic's job, looked at from outside.

    :param score: of the quality report, 0-100; 0 for a job without a result.
    :param cost: US dollars, as the job reckons it.
    :param seconds: from the job's start to its end.
    :param dead: cited addresses that are not live, each with what it answered.
    :param kept_dead: links of the client's old post that are not live; they are the client's.
    :param foreign: links that nobody gave.
    :param stray: links to the client's pages whose words are not those of the page's title.
    :param unsanitised: what the sanitiser should have stopped.
    :param markers: stand-ins of the pipeline that were left for the reader.
    """

    number: int
    keyword: str
    mode: str
    status: str
    error: str = ""
    score: float = 0.0
    words: int = 0
    references: int = 0
    internal_links: int = 0
    kept_links: int = 0
    cost: float = 0.0
    seconds: float = 0.0
    degraded: tuple[str, ...] = ()
    checks: tuple[Mapping[str, Any], ...] = ()
    fetched: int = 0
    dead: tuple[str, ...] = ()
    kept_dead: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    stray: tuple[str, ...] = ()
    unsanitised: tuple[str, ...] = ()
    markers: tuple[str, ...] = field(default_factory=tuple)

    @property
    def completed(self) -> bool:
        """Whether the job ended with a result."""
        return self.status == JobStatus.COMPLETED

    def as_json(self) -> dict[str, Any]:
        """Everything, for a file."""
        return asdict(self)


def cited(view: View) -> list[str]:
    """The addresses of a job's references."""
    return [str(reference.get("url", "")) for reference in _result(view).get("references") or ()]


def to_fetch(topic: Topic, view: View, *, old_links: bool) -> list[str]:
    """The addresses of a job's result that have to answer: everything but the client's own pages.

    :param old_links: those that the client's old post had already, too.
    """
    found = _links(topic, view)
    return [*cited(view), *found.cited, *found.foreign, *(found.kept if old_links else ())]


def outcome(topic: Topic, view: View, answers: Mapping[str, Answer]) -> Outcome:
    """What *topic*'s job came to.

    :param answers: what the addresses of :func:`to_fetch` answered.
    """
    result, found = _result(view), _links(topic, view)
    about: Mapping[str, Any] = result.get("metadata") or {}
    report: Mapping[str, Any] = result.get("qualityReport") or {}
    content = str(result.get("content") or "")
    outbound = list(dict.fromkeys([*cited(view), *found.cited, *found.foreign]))
    started, ended = view.get("startedAt") or 0, view.get("completedAt") or 0
    return Outcome(
        number=topic.number,
        keyword=topic.request.keyword,
        mode=topic.request.mode,
        status=str(view["status"]),
        error=str(view.get("error") or ""),
        score=float(report.get("score") or 0.0),
        words=int(about.get("wordCount") or 0),
        references=len(cited(view)),
        internal_links=len(found.internal),
        kept_links=len(found.kept),
        cost=float(view.get("cost") or 0.0),
        seconds=max(0.0, (ended - started) / 1000),
        degraded=tuple(about.get("degraded") or ()),
        checks=tuple(report.get("checks") or ()),
        fetched=len(outbound),
        dead=tuple(liveness.dead(answers, outbound)),
        kept_dead=tuple(liveness.dead(answers, _asked(found.kept, answers))),
        foreign=found.foreign,
        stray=tuple(scan.stray(content, _titles(topic))),
        unsanitised=tuple(scan.unsanitised(content, topic.old_post)),
        markers=tuple(_left(scan.markers(dict(result)), scan.markers(topic.old_post))),
    )


def _left(found: Iterable[str], own: Iterable[str]) -> list[str]:
    """What is *found* beyond what the client's old post says itself."""
    beyond = Counter(found) - Counter(own)
    return list(beyond.elements())


def _titles(topic: Topic) -> dict[str, str]:
    """The pages' titles; a page that the client's old post linked to is the client's affair."""
    old = frozenset(scan.read(topic.old_post).links)
    pages = topic.request.existing_pages
    return {str(page.url): page.title for page in pages if str(page.url) not in old}


def _asked(urls: Iterable[str], answers: Mapping[str, Answer]) -> list[str]:
    return [url for url in urls if url in answers]


def _result(view: View) -> Mapping[str, Any]:
    return view.get("result") or {}


def _links(topic: Topic, view: View) -> scan.Links:
    content = str(_result(view).get("content") or "")
    return scan.links(content, topic.pages, cited(view), topic.old_post)
