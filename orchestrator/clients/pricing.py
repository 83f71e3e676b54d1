"""What a call of a model costs."""

from __future__ import annotations

CACHE_WRITE = 1.25
CACHE_READ = 0.1
"""Prices of writing to the five-minute prompt cache and of reading from it, as multiples of the
input price: Anthropic's "Prompt caching" and "Pricing" pages (platform.claude.com/docs)."""

MILLION = 1_000_000


def cost_usd(
    price: tuple[float, float],
    *,
    input_tokens: int,
    output_tokens: int,
    cache_write_tokens: int = 0,
    cache_read_tokens: int = 0,
) -> float:
    """US dollars for one call.

    :param price: dollars per million input and output tokens.
    :param input_tokens: those neither written to the cache nor read from it, as the API counts.
    """
    for_input, for_output = price
    weighted = input_tokens + CACHE_WRITE * cache_write_tokens + CACHE_READ * cache_read_tokens
    return (weighted * for_input + output_tokens * for_output) / MILLION
