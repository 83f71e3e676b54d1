"""What a durable job costs beside its steps: eight steps that do nothing, three ways of keeping
them. ``python -m bench.noop``; see :mod:`bench.noop.__main__`."""
