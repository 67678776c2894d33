"""Watch of what policies publish, and of experiments: both are small, and read whole.

Topics that are missing, or a broker that is away, are waited for; until then decisions are made by what is known.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from streams.errors import StreamError
from streams.kafka.offset_reader import OffsetReader
from streams.kafka.undecodable import UndecodableRecord
from streams.policy.arms import Arms
from streams.policy.known_policies import KnownPolicies
from streams.settings.settings import Settings

log = logging.getLogger(__name__)

_FETCH_MS: Final = 200
_BATCH_RECORDS: Final = 100
_CHECK_S: Final = 5.0
_RETRY_S: Final = 3.0


class PolicyWatch:
    """Keeps policies and experiments as their topics are."""

    def __init__(self, settings: Settings, policies: KnownPolicies, arms: Arms) -> None:
        self._kafka = settings.kafka
        self._states, self._experiments = settings.topics.policy_states, settings.topics.interest_experiments
        self._policies = policies
        self._arms = arms

    async def watch(self) -> None:
        """Reads until it is cancelled."""
        while True:
            reader = OffsetReader(self._kafka, [self._states, self._experiments])
            try:
                await self._read(reader)
            except StreamError as error:
                log.debug("policies: %s", error)
            finally:
                await reader.stop()
            await asyncio.sleep(_RETRY_S)

    async def _read(self, reader: OffsetReader) -> None:
        shapes = await reader.start()
        reader.seek(await reader.begins())
        loop = asyncio.get_running_loop()
        check_s = loop.time() + _CHECK_S
        while True:
            for (topic, _), (records, _) in (await reader.fetch(_FETCH_MS, _BATCH_RECORDS)).items():
                apply = self._policies.put if topic == self._states else self._arms.put
                # Of a policy only the newest state counts, and restoring one takes milliseconds.
                newest = {record.key: record for record in records if not isinstance(record, UndecodableRecord)}
                for record in newest.values():
                    apply(record.key, record.value)
                    await asyncio.sleep(0)
            if loop.time() > check_s:
                if await reader.shapes() != shapes:
                    raise StreamError("a topic was created again")
                check_s = loop.time() + _CHECK_S
