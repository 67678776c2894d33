"""Programs that do the worker's work in other ways, each a process that consumes the same backlog.

They share only `Job` and `Meter`, and do not know what they are compared with.
"""
