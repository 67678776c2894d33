"""Log records of faults that pass by themselves, such as a broker that restarts: INFO, unless they last."""

from typing import Final

TRANSIENT: Final = {"transient": True}
"""`extra` of such a record; a worker's log has its level only once the fault has lasted (streams.cli.logging_setup)"""
