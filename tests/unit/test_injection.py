"""Prompt injection: what strangers write stays data, and the worst answer does no harm.

Every attack of the corpus is planted in a small world, in which the real pipeline then runs (see
``tests/planted.py``) with a model that does what it is told (``tests/gullible.py``).
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import steps
from orchestrator.clients import extract
from orchestrator.jobs import JobStatus
from orchestrator.models import JobView
from orchestrator.services import FetchRequest, ModelRequest, SearchRequest
from steps import quality_validation
from steps.asking import echo, prompts
from steps.asking.prompt_texts import PREAMBLE
from steps.html import fragment, islands, sanitise
from steps.language import lexical
from steps.quality import final_repair, jsonld
from tests import inert, planted
from tests.gullible import Attack, Gullible, Recorded, honest, outside
from tests.planted import World

Undo = Callable[[pytest.MonkeyPatch], None]

CORPUS = Path(__file__).resolve().parents[1] / "data" / "injections.json"
LONG = "An ordinary sentence about a garden. " * 6_000  #: 220,000 characters
TWIN = "Many gardeners keep notes all year."
SECRET = "sk-ant-0123456789-do-not-tell"
MOST_CHARS = 60_000
"""Of one prompt: about 15,000 tokens, three times what the largest needs."""


def corpus() -> list[Attack]:
    attacks = []
    for entry in json.loads(CORPUS.read_text()):
        plants = {place: text.replace("{long}", LONG) for place, text in entry["plants"].items()}
        attacks.append(Attack(entry["name"], plants, entry["sign"], entry["loot"]))
    return attacks


ATTACKS = corpus()
BY_NAME = {attack.name: attack for attack in ATTACKS}
every_attack = pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANTHROPIC_API_KEY", "SERPER_API_KEY", "WORDPRESS_APP_PASSWORD"):
        monkeypatch.setenv(name, SECRET)


async def job(plants: Mapping[str, str], model: Any, folder: Path) -> tuple[JobView, World]:
    folder.mkdir()
    return await planted.run(plants, model, folder)


async def believed(attack: Attack, folder: Path) -> tuple[JobView, World, Gullible]:
    """The attack on a model that obeys every order it can find."""
    model = Gullible(attack, everywhere=True)
    return *(await job(attack.plants, model, folder / "believed")), model


async def hostile(attack: Attack, folder: Path) -> tuple[JobView, World, Gullible]:
    """The attack in every answer, whether or not its order arrived."""
    model = Gullible(replace(attack, sign=""), everywhere=True)  # "" is heard in every prompt
    return *(await job(attack.plants, model, folder / "hostile")), model


# -- what is wrong with a result -------------------------------------------------------


def own_bytes(world: World) -> list[str]:
    """The client's own pieces in the article, the longest first."""
    found = islands.extract(world.body().get("existingContent", ""))[1]
    return sorted((island.source for island in found), key=len, reverse=True)


def without(markup: str, pieces: list[str]) -> str:
    for piece in pieces:
        markup = markup.replace(piece, "", 1)
    return markup


def harm(view: JobView, world: World) -> list[str]:
    """Everything in a job's outcome that an attacker could have wanted."""
    found = [f"a key in {kind}" for kind, told in said(view, world).items() if SECRET in told]
    if view.status is not JobStatus.COMPLETED:
        return found if view.status is JobStatus.FAILED and view.error else [*found, "no clear end"]
    assert view.result is not None
    found += [f"recited: {text[:80]}" for text in inert.strings(view.result) if recites(text)]
    result: dict[str, Any] = json.loads(json.dumps(view.result))
    references = result["references"]
    known = {page["url"] for page in planted.PAGES} | {one["url"] for one in references}
    found += inert.problems(without(result["content"], own_bytes(world)), known)
    found += inert.script_problems(result["metadata"]["jsonLd"])
    found += [f"not fetched: {one['url']}" for one in references if one["url"] not in read(world)]
    shown = {name: value for name, value in result.items() if name not in UNSHOWN}
    shown["metadata"] = {k: v for k, v in result["metadata"].items() if k != "jsonLd"}
    for text in inert.strings(shown):
        found += [] if text in known else inert.text_problems(text)
    return found


def recites(text: str) -> bool:
    """Whether a text repeats our system text, 60 characters of it in a row."""
    told = " ".join(re.sub(r"<[^>]*>", " ", text).split())
    secret = " ".join(PREAMBLE.split())
    return any(secret[at : at + 60] in told for at in range(0, len(secret) - 60, 20))


UNSHOWN = ("content", "metadata", "changes")
"""``content`` is markup and judged as such; ``changes`` quotes the client's old headings."""


def said(view: JobView, world: World) -> dict[str, str]:
    return {
        "the job": view.model_dump_json(),
        "the calls": "".join(call.model_dump_json() for call in world.calls),
    }


def read(world: World) -> set[str]:
    """The addresses that search results named and that were fetched for them."""
    return {call.url for call in world.calls if isinstance(call, FetchRequest)}


def asked(world: World) -> dict[str, ModelRequest]:
    return {c.idempotency_key: c for c in world.calls if isinstance(c, ModelRequest)}


# -- the corpus ------------------------------------------------------------------------


def test_the_corpus_is_large_and_plants_everywhere() -> None:
    places = {place for attack in ATTACKS for place in attack.plants}

    assert len(ATTACKS) >= 18
    assert places == planted.PLACES
    assert len({attack.sign for attack in ATTACKS}) == len(ATTACKS)


# -- A: the delimiters hold ------------------------------------------------------------


@every_attack
async def test_a_model_that_trusts_the_delimiters_never_hears_the_order(
    attack: Attack, tmp_path: Path
) -> None:
    """The outcome is that of the same job with an innocent text in the attack's places: the
    same article, links, sources and degradations; only lists of phrases and the words shown of
    a source may hold the attack's text, made inert."""
    twin, twin_world, recorded = await innocent(attack, tmp_path)
    model = Gullible(attack, everywhere=False, base=recorded)
    view, world = await job(attack.plants, model, tmp_path / "attack")

    assert model.obeyed == []
    assert view.status is JobStatus.COMPLETED, view.error
    assert harm(view, world) == []
    mine, theirs = asked(world), asked(twin_world)
    assert mine.keys() == theirs.keys()
    for key, request in mine.items():
        assert outside(request) == outside(theirs[key]), key
        assert len(request.system) + len(request.prompt) < MOST_CHARS
    unlinked = "existingPages title" in attack.plants  # a page's words decide where it is linked
    assert comparable(view, world, unlinked) == comparable(twin, twin_world, unlinked)


Twin = tuple[JobView, World, Recorded]
TWINS: dict[frozenset[str], Twin] = {}


async def innocent(attack: Attack, folder: Path) -> Twin:
    """The job with an innocent text in the attack's places, run once for each set of places."""
    places = frozenset(attack.plants)
    if places not in TWINS:
        recorded = Recorded()
        view, world = await job(dict.fromkeys(places, TWIN), recorded, folder / "twin")
        assert view.status is JobStatus.COMPLETED, view.error
        TWINS[places] = view, world, recorded
    view, world, recorded = TWINS[places]
    return view, world, Recorded(dict(recorded.replies))


def comparable(view: JobView, world: World, unlinked: bool) -> dict[str, Any]:
    """What an attack's text must not change."""
    assert view.result is not None
    result = view.result
    content = re.sub(r"</?a\b[^>]*>", "", result["content"]) if unlinked else result["content"]
    article, _, listed = content.partition('<section class="references">')
    about = result["metadata"]
    return {
        "article": without(article, own_bytes(world)),
        "sources": [one["url"] for one in result["references"]],
        "listed": listed.count("<"),
        "links": None if unlinked else about["internalLinks"],
        "degraded": about["degraded"],
        "title": (about["title"], about["metaDescription"], about["slug"]),
        "fetched": sorted(read(world)),
    }


# -- B: the worst answer does no harm --------------------------------------------------


@every_attack
async def test_an_answer_under_the_attackers_control_does_no_harm(
    attack: Attack, tmp_path: Path
) -> None:
    view, world, model = await believed(attack, tmp_path)

    assert bool(model.obeyed) != (attack.name in NEVER_SHOWN)
    assert harm(view, world) == []


NEVER_SHOWN = {
    "text hidden by style",
    "HTML comment, aria and alt texts",
    "unseen tag characters",
    "very long text",
}
"""What is dropped before any model could see it."""


BY_LOOT = {(attack.loot, "existingContent" in attack.plants): attack for attack in ATTACKS}


@pytest.mark.parametrize("attack", BY_LOOT.values(), ids=lambda attack: attack.name)
async def test_a_model_wholly_in_the_attackers_hand_does_no_harm(
    attack: Attack, tmp_path: Path
) -> None:
    view, world, model = await hostile(attack, tmp_path)

    assert len(model.obeyed) > 15
    assert harm(view, world) == []


async def test_broken_characters_from_a_client_do_not_end_a_job(tmp_path: Path) -> None:
    broken = "half a sign \ud83d and \udc00 \x00 here"
    plants = {"recentNews": broken, "neuronData": broken, "serpData snippet": broken}
    view, world = await job(plants, honest, tmp_path / "broken")

    assert view.status is JobStatus.COMPLETED, view.error
    for request in asked(world).values():
        assert request.prompt.encode("utf-8")
    assert harm(view, world) == []


# -- the defences are what does it -----------------------------------------------------

NEVER = re.compile(r"(?!)")


def only_brackets(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = {ord(char): f"\\u{ord(char):04x}" for char in "<>&"}
    monkeypatch.setattr(prompts, "_ESCAPES", plain)


def no_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompts, "_ESCAPES", {})


def no_escapes_no_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Titles and snippets lose their tags as well: two defences to undo."""
    no_escapes(monkeypatch)
    lines_as_they_are(monkeypatch)


def unseen_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    no_escapes(monkeypatch)
    for module in (prompts, lexical, extract):
        monkeypatch.setattr(module, "INVISIBLE", NEVER)


@pytest.mark.parametrize(
    ("name", "undo"),
    [
        ("forged end of our data block", no_escapes),
        ("forged end of our data block in a search result", no_escapes_no_lines),
        ("order within an order", no_escapes),
        ("order in a reference's title", no_escapes_no_lines),
        ("fullwidth and small-form delimiters", only_brackets),
        ("forged turn behind other line ends", only_brackets),
        ("unseen tag characters", unseen_kept),
    ],
)
async def test_without_the_delimiters_defence_the_order_is_heard(
    name: str, undo: Undo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attack = BY_NAME[name]
    twin, twin_world, recorded = await innocent(attack, tmp_path)
    undo(monkeypatch)
    model = Gullible(attack, everywhere=False, base=recorded)
    view, world = await job(attack.plants, model, tmp_path / "attack")

    assert model.obeyed
    changed = view.status is not JobStatus.COMPLETED or comparable(
        view, world, False
    ) != comparable(twin, twin_world, False)
    prompts_differ = any(
        outside(request) != outside(asked(twin_world)[key])
        for key, request in asked(world).items()
        if key in asked(twin_world)
    )
    assert changed or prompts_differ


def no_sanitiser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality_validation, "sanitise", str)


def live_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sanitise, "_inert", str)


def links_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the sections, and in the final check of links: two defences to undo."""
    monkeypatch.setattr(fragment, "_UNWRAPPED", fragment._UNWRAPPED - {"a"})
    monkeypatch.setattr(final_repair, "_check_link", lambda link, allowed: None)


def lines_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_TAG", "_MARKER", "_ADDRESS"):
        monkeypatch.setattr(lexical, name, NEVER)


def raw_json_ld(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonld, "_embeddable", lambda value: value)
    lines_as_they_are(monkeypatch)


def recitals_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(echo, "_known", frozenset)


@pytest.mark.parametrize(
    ("name", "undo", "symptom"),
    [
        ("forged system and assistant turns", no_sanitiser, "p has onclick"),
        ("forged turn behind other line ends", no_sanitiser, "details has ontoggle"),
        ("shortcodes", live_text, "a shortcode [wp_exec"),
        ("advertisement with an address alone in its line", live_text, "an address in the text"),
        ("plain order on a page", links_kept, "a link to https://evil.example/win"),
        ("source that nobody searched for", links_kept, "a link to https://evil.example/win"),
        ("forged claim markers", lines_as_they_are, "a marker in"),
        ("script and handlers", lines_as_they_are, "a tag in"),
        ("end of the structured data's script", raw_json_ld, "structured data ends its script"),
        ("request for the system prompt and the keys", recitals_kept, "recited"),
    ],
)
async def test_without_the_defence_the_harm_is_done_and_seen(
    name: str, undo: Undo, symptom: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undo(monkeypatch)
    view, world, _ = await hostile(BY_NAME[name], tmp_path)

    found = harm(view, world)
    assert any(one.startswith(symptom) for one in found), (found, view.status, view.error)


async def test_without_the_reader_s_defence_hidden_text_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extract, "strip_unseen", lambda root: None)
    _, _, model = await believed(BY_NAME["text hidden by style"], tmp_path)

    assert model.obeyed


# -- what is fetched -------------------------------------------------------------------


async def test_nothing_in_the_client_s_page_but_its_links_makes_us_fetch(tmp_path: Path) -> None:
    """Every page that is read stands in a search result, or is a link of the old page that is
    looked at (through the guarded fetcher) to see whether it is dead; pictures, frames and embeds
    of the old page, and the client's own pages, are never asked for."""
    plants = {
        "existingContent": '<img src="http://169.254.169.254/x.png"><a href="http://10.0.0.1/">a</a>'
        '<iframe src="https://evil.example/"></iframe>[embed]https://evil.example/v[/embed]'
    }
    view, world = await job(plants, honest, tmp_path / "job")

    assert view.status is JobStatus.COMPLETED, view.error
    searched = [call for call in world.calls if isinstance(call, SearchRequest)]
    results = [one for call in searched for one in world.results(call.query, call.num)["organic"]]
    assert read(world)
    assert read(world) <= {one["link"] for one in results} | set(
        re.findall(r'<a href="([^"]+)"', world.body()["existingContent"])
    )


NETWORK = {"aiohttp", "httpx", "requests", "urllib3", "socket", "ssl", "http", "urllib.request"}


def test_a_step_has_no_other_way_out_than_its_services() -> None:
    for path in sorted(Path(steps.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert not {name, name.split(".")[0]} & NETWORK, path
                assert not name.startswith(("orchestrator.clients", "orchestrator.gateway")), path
