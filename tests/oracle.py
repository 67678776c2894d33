"""What committed output must be, given the input: shared by the tests on a real broker and those on the driver."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import TypeVar

from streams.reference_fold import InputFold
from streams.registry.prediction_reader import PredictionReader
from streams.schema.predictions import Prediction
from streams.schema.record import Record
from streams.settings.registry_section import RegistrySettings

T = TypeVar("T")
JSON_READER = PredictionReader(RegistrySettings())


async def iterate(values: Iterable[T]) -> AsyncIterator[T]:
    """The values, asynchronously."""
    for value in values:
        yield value


def newest_values(records: Iterable[Record]) -> dict[bytes, bytes]:
    """The newest value of each user's key, as compaction leaves it; deleted and reserved keys are left out."""
    newest = {record.key: record.value for record in records if record.key and not record.key.startswith(b"\0")}
    return {key: value for key, value in newest.items() if value is not None}


async def prediction_problems(
    records: AsyncIterable[Record], expected: InputFold, reader: PredictionReader = JSON_READER
) -> list[str]:
    """What is wrong with the committed predictions; there must be one per accepted event, in each user's order."""
    problems: list[str] = []
    ids: set[str] = set()
    newest: dict[str, Prediction] = {}
    async for record in records:
        assert record.key is not None
        if record.value is None:
            newest.pop(record.key.decode(), None)
            continue
        prediction = await reader.read(record.value)
        if prediction.prediction_id in ids:
            problems.append(f"{prediction.prediction_id} is predicted twice")
        before = newest.get(prediction.user_id)
        if before is not None and before.state_version + 1 != prediction.state_version:
            problems.append(f"{prediction.user_id}: version {prediction.state_version} follows {before.state_version}")
        ids.add(prediction.prediction_id)
        newest[prediction.user_id] = prediction
    last = {user: (prediction.state_version, prediction.source.offset) for user, prediction in newest.items()}
    for user in last.keys() | expected.users.keys():
        row = expected.users.get(user)
        if row is None or last.get(user) != (row.count, row.last_offset):
            problems.append(f"{user}: the last prediction is of {last.get(user)}, the input leads to {row}")
    return problems
