"""Access control lists of a trainer: exactly these suffice, and each that is missing is named."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from tests.integration.acls import Acls, authorizing_kafka, topics_acls, trainer_acls
from tests.integration.deployment import Deployment
from tests.integration.faults import set_environment
from tests.integration.training import Trainer, release_readers
from tests.integration.worker import killed_at_end
from tests.secured_kafka import PASSWORD

_SECRET = {"INTEREST_KAFKA__SASL_PASSWORD": PASSWORD}


async def test_a_trainer_needs_exactly_these_rights_and_names_each_that_is_missing(
    prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in _SECRET.items():
        monkeypatch.setenv(name, value)
    trainers: list[Trainer] = []
    with authorizing_kafka(tmp_path) as secured, killed_at_end(trainers):
        overrides = ["topics.partitions=1", *secured.sasl("PLAIN", "SASLPLAIN", "SASL_PLAINTEXT")]
        site = Deployment(secured.kafka.bootstrap_servers, prefix, tmp_path, overrides)
        acls, rights = Acls(secured), trainer_acls(site.settings)

        def start() -> Trainer:
            log = tmp_path / f"trainer-{len(trainers)}.log"
            trainers.append(Trainer(site.overrides("a"), log, partial(set_environment, _SECRET)))
            return trainers[-1]

        acls.set(topics_acls(site.settings))
        await site.create()
        acls.set(rights)
        trainer = start()
        await trainer.wait_for("training begins")
        await trainer.stop()
        acls.set([("topic", site.settings.topics.model_releases, "Read")])
        async with release_readers(site.settings) as (reader,):
            assert reader.numbers == [1]
        for denied in rights:
            acls.set(right for right in rights if right != denied)
            trainer = start()
            assert await trainer.ended() == 70, (denied, trainer.text())
            resource, name, operation = denied
            last = trainer.text().strip().splitlines()[-1]
            assert f": {operation} on {resource} {name}. Grant it: kafka-acls.sh" in last, (denied, trainer.text())
