import json
from pathlib import Path

from aiokafka import ConsumerRecord

from state.options import StoreMemory
from streams.feedback.feedback_store import FeedbackStore
from streams.feedback.step import PartitionRecords, PartitionStepper
from streams.policy.arms import Arms
from streams.policy.item_filters import DescribedItem
from streams.policy.known_policies import KnownPolicies
from streams.schema.decisions.decision import DecisionRequest, decode_decision, encode_decision
from streams.schema.decoder import SchemaRules
from streams.settings.policy_section import PolicySettings
from streams.settings.settings import Settings
from tests.records import consumer_record


def request(offset: int) -> "ConsumerRecord[bytes, bytes]":
    return consumer_record(encode_decision(DecisionRequest("u1", 1, ("i1",))), b"u1", topic="requests", offset=offset)


def test_what_an_erased_user_saw_is_forgotten(tmp_path: Path) -> None:
    settings = Settings(policy=PolicySettings(kinds="greedy"))
    arms = Arms(KnownPolicies(settings.policy))
    stepper = PartitionStepper(settings, SchemaRules.of(settings.events), arms, {"i1": DescribedItem(("Drama",))})
    store = FeedbackStore(tmp_path / "partition-0", StoreMemory(8 << 20), 60_000)
    erasure = {"user_id": "u1", "event_type": "user.delete", "timestamp": 1_731_900_000_000}
    exposures = []
    for offset, events in enumerate(([], [], [consumer_record(json.dumps(erasure).encode(), b"u1")])):
        step = stepper.step(store, PartitionRecords(events, requests=[request(offset)]))
        exposures.append(decode_decision(step.decisions[0].value or b"").features[0][-1])
    store.close()
    assert exposures == [0, 1, 0]
