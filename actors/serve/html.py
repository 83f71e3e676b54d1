"""Pages for people: the reference, made of the OpenAPI document, and one for each problem."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from actors.serve.contract import EXAMPLES
from orchestrator.problems import Kind

Json = Mapping[str, Any]

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
       color: #1b1f24; background: #fff }
h2 { border-bottom: 1px solid #d0d7de; margin-top: 3rem }
h3 { margin: 2.5rem 0 .25rem } h3 code { font-size: 1rem }
code, pre { font: .875rem/1.45 ui-monospace, monospace; background: #f3f5f7; border-radius: 4px }
code { padding: .1rem .3rem } pre { padding: .75rem; overflow-x: auto }
table { border-collapse: collapse; width: 100% }
td, th { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0;
         border-bottom: 1px solid #eaeef2 }
@media (prefers-color-scheme: dark) {
  body { color: #e6edf3; background: #0d1117 } code, pre { background: #161b22 }
  a { color: #6cb6ff } td, th, h2 { border-color: #30363d }
}
"""


def problem_page(kind: Kind) -> str:
    """What one kind of problem means."""
    return _page(
        kind.title,
        f"<p><code>{kind.status}</code> · <code>{escape(kind.type)}</code></p>"
        f"<h2>What has happened</h2><p>{_text(kind.meaning)}</p>"
        f"<h2>What to do</h2><p>{_text(kind.remedy)}</p>"
        '<p><a href="/orchestrator/docs">All of the API</a></p>',
    )


def reference_page(document: Json) -> str:
    """Every operation and every schema of an OpenAPI document."""
    operations = [
        _operation(method, path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]
    schemas = [_schema(name, one) for name, one in document["components"]["schemas"].items()]
    shared = [_parameter(one) for one in document["components"]["parameters"].values()]
    info = document["info"]
    return _page(
        info["title"],
        f"<p>{_text(info['description'])}</p>"
        '<p>The same for programs: <a href="/orchestrator/openapi.json">openapi.json</a>.</p>'
        f"<p>Any call may send these headers; every answer has them.</p>"
        f"{_table(('header', 'where', 'what'), shared)}"
        f"<h2>Calls</h2>{''.join(operations)}<h2>Types</h2>{''.join(schemas)}",
    )


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><h1>{escape(title)}</h1>{body}</body></html>"
    )


def _operation(method: str, path: str, operation: Json) -> str:
    parts = [
        f'<h3 id="{escape(operation["operationId"])}">'
        f"<code>{method.upper()} {escape(path)}</code></h3>",
        f"<p><b>{escape(operation['summary'])}.</b> {_text(operation['description'])}</p>",
    ]
    if rows := [_parameter(one) for one in operation["parameters"] if "$ref" not in one]:
        parts.append(_table(("parameter", "where", "what"), rows))
    if body := operation.get("requestBody"):
        parts.append(f"<p>Body: {_contents(body['content'])}</p>")
    answers = [
        (f"<code>{status}</code>", _text(answer["description"]), _answer(answer))
        for status, answer in operation["responses"].items()
    ]
    parts.append(_table(("status", "when", "body and headers"), answers))
    return "".join(parts)


def _parameter(one: Json) -> tuple[str, str, str]:
    need = " (required)" if one.get("required") else ""
    says = _text(one.get("description", ""))
    return (
        f"<code>{escape(one['name'])}</code>{need}",
        one["in"],
        f"{_type(one['schema'])} {says}",
    )


def _answer(answer: Json) -> str:
    own = [name for name in answer.get("headers", ()) if not name.endswith("-ID")]
    headers = f" · <code>{'</code> <code>'.join(own)}</code>" if own else ""
    return _contents(answer.get("content", {})) + headers


def _contents(content: Json) -> str:
    """Each content type with its schema; one example of the first."""
    named = " or ".join(
        f"<code>{escape(media)}</code> {_type(one['schema'])}" for media, one in content.items()
    )
    for media, one in content.items():
        if "problem" in media:
            continue
        for name in one.get("examples", ()):
            value = EXAMPLES[name]
            text = value if isinstance(value, str) else _pretty(value)
            return f"{named}<details><summary>example</summary><pre>{escape(text)}</pre></details>"
    return named


def _schema(name: str, schema: Json) -> str:
    says = _text(schema.get("description", ""))
    required = schema.get("required", ())
    rows = [
        (
            f"<code>{escape(field)}</code>{'' if field in required else ' (optional)'}",
            _type(one),
            _text(one.get("description", "")),
        )
        for field, one in schema.get("properties", {}).items()
    ]
    values = " ".join(f"<code>{escape(str(v))}</code>" for v in schema.get("enum", ()))
    return (
        f'<h3 id="type-{escape(name)}"><code>{escape(name)}</code></h3><p>{says} {values}</p>'
        + (_table(("field", "type", ""), rows) if rows else "")
    )


def _type(schema: Json) -> str:
    """A schema in a few words, with links."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rsplit("/", 1)[1])
        return f'<a href="#type-{name}">{name}</a>'
    if "enum" in schema or "const" in schema:
        return " or ".join(f"<code>{escape(str(v))}</code>" for v in _values(schema))
    if any_of := schema.get("anyOf"):
        return " or ".join(_type(one) for one in any_of)
    if all_of := schema.get("allOf"):
        types = all_of[-1].get("properties", {}).get("type", {}).get("enum", ())
        links = (f'<a href="{escape(t)}">{escape(t.rsplit("/", 1)[1])}</a>' for t in types)
        return f"{_type(all_of[0])}: {', '.join(links)}"
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return escape(" ".join([str(schema.get("type", "any")), *_rules(schema)]))


def _values(schema: Json) -> Iterable[Any]:
    return schema.get("enum", (schema.get("const"),))


_RULES = (
    "minimum", "maximum", "minLength", "maxLength", "maxItems", "pattern", "format", "default",
)  # fmt: skip


def _rules(schema: Json) -> Iterable[str]:
    return (f"{name} {schema[name]}" for name in _RULES if schema.get(name) not in (None, ""))


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f"<th>{one}</th>" for one in heads)
    body = "".join(f"<tr>{''.join(f'<td>{c}</td>' for c in row)}</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _text(plain: str) -> str:
    """Text with its `code` and **bold** marked."""
    parts = escape(plain).replace("``", "`").split("`")
    marked = "".join(f"<code>{p}</code>" if n % 2 else p for n, p in enumerate(parts))
    bold = marked.split("**")
    return "".join(f"<b>{p}</b>" if n % 2 else p for n, p in enumerate(bold))


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
