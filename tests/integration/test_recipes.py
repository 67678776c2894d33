"""A network of a recipe in the stream: nothing but --recipe tells the worker."""

from streams.schema.predictions import decode
from streams.worker.process.launcher import WorkerProcess
from tests.integration.deployment import Deploy, round_robin_event


async def test_short_and_long_term_interest_arrive_as_vectors(deploy: Deploy) -> None:
    deployment = await deploy()
    worker = WorkerProcess(deployment.overrides("a"), deployment.folder / "worker.log", recipe="long-short")
    worker.start()
    try:
        await worker.wait_ready()
        await deployment.send(round_robin_event(number) for number in range(300))
        await deployment.applied()
    finally:
        assert worker.stop() == 0, worker.log_tail()
    await deployment.check(stopped=["a"])
    records = [record async for record in deployment.read(deployment.settings.topics.interest_predictions)]
    predictions = [decode(record.value) for record in records]
    assert len(predictions) == 300
    for prediction in predictions:
        assert isinstance(prediction.short_term, list)
        assert isinstance(prediction.long_term, list)
        assert len(prediction.short_term) == len(prediction.long_term) == deployment.settings.model.embedding_dim
    assert (
        len({tuple(prediction.long_term or ()) for prediction in predictions}) > 100
    )  # of 97 users with 3 events each
