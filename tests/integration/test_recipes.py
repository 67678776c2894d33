"""A network of a recipe in the stream: nothing but --recipe tells the worker."""

from msgspec import UNSET

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


async def test_two_layers_look_a_month_ahead_and_their_trainer_learns_from_the_rows(deploy: Deploy) -> None:
    deployment = await deploy("trainer.mode=embedded")
    worker = WorkerProcess(deployment.overrides("a"), deployment.folder / "worker.log", recipe="horizon")
    worker.start()
    try:
        await worker.wait_ready()
        await deployment.send(round_robin_event(number) for number in range(300))
        await deployment.applied()
        await deployment.released()  # by a trainer that has read them all
    finally:
        assert worker.stop() == 0, worker.log_tail()
    assert "the trainer has ended with code" not in worker.log_tail(1000)
    records = [record async for record in deployment.read(deployment.settings.topics.interest_predictions)]
    newest = {prediction.user_id: prediction for prediction in (decode(record.value) for record in records)}
    assert len(newest) > 50
    for prediction in newest.values():  # of the events of a step, each user's last one has an outlook
        assert prediction.return_p is not UNSET
        assert prediction.horizons is not UNSET
        assert list(prediction.return_p) == [str(horizon.days) for horizon in prediction.horizons] == ["1", "7", "30"]
        assert all(horizon.items and horizon.spent is not UNSET for horizon in prediction.horizons)
