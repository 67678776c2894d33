"""The model of a worker: engine, learner thread, checkpoints."""
