"""Clients of the outside services, without Ray.

Each maps foreign errors to :mod:`orchestrator.errors` where it meets the foreign library. Import
what you need from its module; this package imports nothing by itself, because the Anthropic
SDK costs over a second of CPU and only a gateway should pay for it.
"""
