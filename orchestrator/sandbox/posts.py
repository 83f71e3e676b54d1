"""WordPress posts in memory, and the sample post the sandbox ships."""

from __future__ import annotations

import datetime as dt
import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from orchestrator.sandbox.sample_post import SAMPLE_SLUG, SAMPLE_TITLE, sample_content
from orchestrator.sandbox.topics import slugify

SAMPLE_ID = 101
STATUSES = frozenset({"publish", "draft", "pending", "private", "future"})
FIELDS = ("title", "content", "excerpt")


@dataclass(slots=True)
class StoredPost:
    """A post as WordPress keeps it; times are epoch seconds."""

    id: int
    slug: str
    status: str
    title: str
    content: str
    excerpt: str
    created: float
    modified: float
    meta: dict[str, Any] = field(default_factory=dict)

    def matches(self, words: str) -> bool:
        """WordPress search: every word occurs in the title, the content or the excerpt."""
        text = f"{self.title} {self.content} {self.excerpt}".lower()
        return all(word in text for word in words.lower().split())

    def view(self, base: str, edit: bool) -> dict[str, Any]:
        """The post as the REST API shows it; ``raw`` fields only when it is to be edited."""
        link = f"{base}/{self.slug}/" if self.status == "publish" else f"{base}/?p={self.id}"
        shown = {
            "id": self.id,
            "date": _iso(self.created),
            "date_gmt": _iso(self.created),
            "modified": _iso(self.modified),
            "modified_gmt": _iso(self.modified),
            "slug": self.slug,
            "status": self.status,
            "type": "post",
            "link": link,
            "title": {"rendered": self.title},
            "content": {"rendered": render(self.content), "protected": False},
            "excerpt": {"rendered": self.excerpt, "protected": False},
            "author": 1,
            "format": "standard",
            "meta": self.meta,
            "categories": [1],
            "tags": [],
        }
        if edit:
            for name in FIELDS:
                shown[name]["raw"] = getattr(self, name)  # type: ignore[index]
        return shown


def _iso(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S")


def render(raw: str) -> str:
    """Block markup as a reader sees it: block comments gone (shortcodes stay as they are)."""
    return re.sub(r"<!-- /?wp:.*?-->\n?", "", raw, flags=re.DOTALL)


@dataclass(slots=True)
class PostStore:
    """All posts, by id.

    :param clock: epoch seconds; dates what is written.
    """

    clock: Callable[[], float]
    posts: dict[int, StoredPost] = field(default_factory=dict)
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(SAMPLE_ID + 1))

    @classmethod
    def with_sample(
        cls, clock: Callable[[], float], link_to: Callable[[str, str], str]
    ) -> PostStore:
        """A store that holds the sample post.

        :param link_to: the slugs of a site of the small web and a page -> the page's address.
        """
        store, now = cls(clock), clock()
        content = sample_content(link_to)
        store.posts[SAMPLE_ID] = StoredPost(
            SAMPLE_ID, SAMPLE_SLUG, "publish", SAMPLE_TITLE, content, "", now, now
        )
        return store

    def create(self, fields: dict[str, Any]) -> StoredPost:
        """Add a post; its slug is made unique the way WordPress does (``-2``, ``-3``...)."""
        number, now = next(self._ids), self.clock()
        title = fields.get("title", "")
        post = StoredPost(number, "", fields.get("status", "draft"), title, "", "", now, now)
        self.posts[number] = post
        slug = fields.get("slug") or slugify(title) or str(number)
        self.update(post, {**fields, "slug": slug})
        return post

    def update(self, post: StoredPost, fields: dict[str, Any]) -> None:
        """Change the given *fields* of *post*."""
        for name in (*FIELDS, "status"):
            if name in fields:
                setattr(post, name, fields[name])
        if fields.get("slug"):
            post.slug = self._unique(slugify(fields["slug"], 200), post.id)
        post.meta |= fields.get("meta") or {}
        post.modified = self.clock()

    def _unique(self, slug: str, number: int) -> str:
        taken = {post.slug for post in self.posts.values() if post.id != number}
        names = itertools.chain([slug], (f"{slug}-{n}" for n in itertools.count(2)))
        return next(name for name in names if name not in taken)
