"""A small world whose pages, search results and client data can be planted with text, and a job
run in it: the real pipeline, engine, journal (a SQLite file), page reader and result parser.

Nothing is sent anywhere: the search and the pages are the sandbox's, made in this process.
"""

from __future__ import annotations

import json
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from yarl import URL

from orchestrator.clients.serper import reply_from
from orchestrator.clients.web import Download, page_of
from orchestrator.engine import EngineOptions, JobRun
from orchestrator.intake import accept
from orchestrator.journal.opening import open_journal
from orchestrator.models import JobView
from orchestrator.sandbox import sites
from orchestrator.sandbox.pages import render_page
from orchestrator.sandbox.results import is_research, search_results
from orchestrator.sandbox.sample_post import SAMPLE_CONTENT
from orchestrator.services import (
    FetchRequest,
    Message,
    ModelReply,
    ModelRequest,
    Page,
    Post,
    PostRequest,
    PublishRequest,
    SearchReply,
    SearchRequest,
)
from steps import PIPELINE
from tests.fakes import FakeClock

NOW = 1_780_000_000.0  #: 2026-05-28, seconds since the epoch
HOSTS = tuple(f"site{n}.example" for n in range(1, 17))
KEYWORD = "home composting"
PAGES = [
    {"title": title, "slug": slug, "url": f"https://client.example.com/{slug}"}
    for title, slug in (
        ("Worm Bins for Small Kitchens", "worm-bins"),
        ("Monthly Costs of a Garden", "monthly-costs"),
        ("Review Notes: A Simple Template", "review-notes"),
        ("Choosing Garden Tools", "garden-tools"),
        ("Kitchen Scraps and What to Do", "kitchen-scraps"),
        ("Small Teams, Shared Gardens", "shared-gardens"),
    )
]

Model = Callable[[ModelRequest], Awaitable[ModelReply]]
Plants = Mapping[str, str]
"""Where text is planted (see :data:`PLACES`) and the text."""

PLACES = frozenset(
    {"page body", "page title", "page heading", "page meta", "reference body", "reference title"}
    | {"serp title", "serp snippet", "question", "related search", "neuronData", "recentNews"}
    | {"existingContent", "existingPages title", "serpData snippet"}
)


@dataclass
class World:
    """The outside world with *plants* in it; every request is kept in :attr:`calls`."""

    plants: Plants
    model: Model
    calls: list[Message] = field(default_factory=list)

    async def generate(self, request: ModelRequest) -> ModelReply:
        self.calls.append(request)
        return await self.model(request)

    async def search(self, request: SearchRequest) -> SearchReply:
        self.calls.append(request)
        return reply_from(self.results(request.query, request.num))

    async def fetch(self, request: FetchRequest) -> Page:
        self.calls.append(request)
        place = urlsplit(request.url).path.strip("/").split("/")[1:]
        site, slug = place if len(place) == 2 else ("", "")
        behaviour, bare = sites.behaviour_of(slug)
        if behaviour != "ok" or site not in sites.BY_SLUG:
            return Page(url=request.url, final_url=request.url, outcome="dead", problem="gone")
        body = self.page(sites.BY_SLUG[site], bare).encode("utf-8", "replace")
        return page_of(request, Download(URL(request.url), 200, "text/html", "utf-8", body))

    async def get_post(self, request: PostRequest) -> Post:
        raise AssertionError("the old page is sent with the request")

    async def publish(self, request: PublishRequest) -> Post:
        raise AssertionError("nothing is published")

    def results(self, query: str, number: int) -> dict[str, Any]:
        """A Serper answer."""
        found = search_results(query, number, HOSTS, 80, NOW)
        kind = "reference" if is_research(query) else "serp"
        for entry in found["organic"]:
            entry["link"] = entry["link"].replace(":80/", "/")
        if kind == "serp":
            found["organic"][0]["title"] += self._planted("serp title", " ")
            found["organic"][3]["snippet"] += self._planted("serp snippet", " ")  # not to be read
            found["peopleAlsoAsk"] += [{"question": q} for q in self._listed("question")]
            found["relatedSearches"] += [{"query": q} for q in self._listed("related search")]
        else:
            for entry in found["organic"][:6]:
                entry["title"] += self._planted("reference title", " ")
                entry["snippet"] += self._planted("serp snippet", " ")
        return found

    def page(self, site: sites.Site, slug: str) -> str:
        """A page's markup."""
        place = "reference" if site.official else "page"
        markup = render_page(site, slug, 2026)
        body = self._planted(f"{place} body", "\n<p>{}</p>\n")
        heading = self._planted("page heading", "<h2>{}</h2>") if not site.official else ""
        meta = self._planted("page meta", '<meta name="description" content="{}">')
        markup = markup.replace("</article>", f"{heading}{body}</article>", 1)
        title = self._planted(f"{place} title", " ")
        return markup.replace("</title>", f"{title}</title>{meta}", 1)

    def body(self) -> dict[str, Any]:
        """The client's request."""
        pages = [dict(page) for page in PAGES]
        pages[0]["title"] += self._planted("existingPages title", " ")
        body: dict[str, Any] = {"keyword": KEYWORD, "existingPages": pages, "requestId": "r"}
        if "neuronData" in self.plants:
            plant = self.plants["neuronData"]
            body["neuronData"] = {"keywords": ["compost heap", plant], "notes": plant}
        if "recentNews" in self.plants:
            body["recentNews"] = [{"title": "City news", "text": self.plants["recentNews"]}]
        if "serpData snippet" in self.plants:
            body["serpData"] = self.results(KEYWORD, 10)
            body["serpData"]["organic"][3]["snippet"] = self.plants["serpData snippet"]
        if "existingContent" in self.plants:
            middle = "<!-- wp:heading"
            at = SAMPLE_CONTENT.index(middle, len(SAMPLE_CONTENT) // 2)
            planted = f"<p>{self.plants['existingContent']}</p>\n"
            body["existingContent"] = SAMPLE_CONTENT[:at] + planted + SAMPLE_CONTENT[at:]
            body["mode"] = "refresh"
        return body

    def _planted(self, place: str, form: str) -> str:
        text = self.plants.get(place)
        if text is None:
            return ""
        return form.format(text) if "{}" in form else form + text

    def _listed(self, place: str) -> list[str]:
        return [self.plants[place]] if place in self.plants else []


async def run(plants: Plants, model: Model, folder: Path) -> tuple[JobView, World]:
    """A job in the world with *plants*, run to its end."""
    assert set(plants) <= PLACES, "an attack is planted where nobody looks"
    world, clock = World(plants, model), FakeClock(NOW)
    options = EngineOptions(clock=clock, sleep=clock.sleep, rand=random.Random(1))
    steps = tuple((step.slug, step.name) for step in PIPELINE.steps)
    body = json.loads(json.dumps(world.body()))
    intake = accept(
        body, steps=steps, allowed_models=(), now_ms=options.now_ms(), rand=random.Random(1)
    )
    journal = await open_journal(f"sqlite+aiosqlite:///{folder}/journal.db")
    try:
        await journal.submit(intake.job)
        claim = await journal.claim(intake.job.id, "test", options.now_ms(), 5)
        await JobRun(claim, PIPELINE, journal, world, options).drive()
        view = await journal.view(intake.job.id)
    finally:
        await journal.close()
    assert view is not None
    return view, world
