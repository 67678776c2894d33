"""Programs that do the worker's work in other ways. Each consumes the same backlog as a process of its own.

Only `Job` and `Meter` are shared between them; none knows how it is compared.
"""
