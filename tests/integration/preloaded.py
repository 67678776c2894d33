"""What processes of the tests have in common, imported and made before they are forked."""

import gc
import inspect

import faust

# The programs
import streams.ingest.run
import streams.trainer.app
import streams.trainer.changelog_model
import streams.worker.app  # noqa: F401

# What tests put into them
import tests.integration.engines
import tests.integration.faults  # noqa: F401

# Faust imports the rest when an app is first configured, and looks through all modules for the one that has an agent.
assert faust.App("preloaded").conf.id == "preloaded"
assert inspect.getmodule(inspect.currentframe()) is not None

# A worker excludes what it has made from garbage collection; to walk through all that once more in each takes longer
# than most of them run, and copies the memory that they share.
gc.collect()
gc.freeze()
