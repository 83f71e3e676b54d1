"""The post the sandbox's WordPress ships: block markup with media, embeds and a shortcode."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import resources

SAMPLE_TITLE = "Composting at Home: What We Learned in Three Years"
SAMPLE_SLUG = "composting-at-home"
SAMPLE_CONTENT = resources.files(__package__).joinpath("sample_post.txt").read_text("utf-8")
"""About 1,500 words, six images, two embeds, a gallery shortcode, a table and four links, of
which two lead to the small web (one of them nowhere any more).

``{{web:site/slug}}`` stands for the address of a page of the small web; see :func:`sample_content`.
"""


def sample_content(link_to: Callable[[str, str], str]) -> str:
    """The post's block markup.

    :param link_to: the slugs of a site and a page -> the page's address.
    """
    web = re.compile(r"\{\{web:([a-z-]+)/([a-z0-9-]+)\}\}")
    return web.sub(lambda match: link_to(match[1], match[2]), SAMPLE_CONTENT)
