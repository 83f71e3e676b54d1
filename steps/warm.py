"""What steps make late, made early: for a process from which job actors are forked.

A job actor imports no library before a step needs it, and builds no table. That keeps a process
lean that runs a few steps. One that is forked from a template has all of it for nothing, shared.
"""

from __future__ import annotations

import importlib

from steps.html.sanitise import sanitise
from steps.language.lexical import stems
from steps.links.linking import bm25
from steps.quality import jsonld
from steps.sources.authority import domain

LATE = (
    "bm25s",
    "jsonschema",
    "nh3",
    "rapidfuzz.fuzz",
    "rapidfuzz.process",
    "snowballstemmer",
    "tldextract",
)
"""Modules that steps import inside a function."""


def warm() -> None:
    """Import them and build what is built once in a process: the stemmer, the list of public
    suffixes, the sanitiser, the schema's validator."""
    for name in LATE:
        importlib.import_module(name)
    stems("some words of a text")
    domain("https://www.example.co.uk/page")
    sanitise("<p>a paragraph</p>")
    jsonld.problems({})
    bm25([["word"]], [["word", "other"]])
