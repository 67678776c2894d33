"""AsyncAPI 3 document of topics, by the types of records: `python -m streams.schema.documents.asyncapi` makes it.

The specification: https://www.asyncapi.com/docs/reference/specification/v3.0.0
"""

import dataclasses
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from streams.schema.dead_letters.dead_letter import PREFIX
from streams.schema.documents import json_schema
from streams.settings.sections import CHANGELOG_SUFFIX, FEEDBACK_SUFFIX, KafkaSettings, TopicSettings

FILE: Final = Path(__file__).parents[3] / "docs" / "asyncapi.json"
_BINARY: Final = "application/octet-stream"
_JSON: Final = "application/json"
_USER_KEY: Final = {"type": "string", "description": "user_id in UTF-8."}
_ITEM_KEY: Final = {"type": "string", "description": "item_id in UTF-8."}

Document = dict[str, Any]


class _Topic(NamedTuple):
    """A topic as the document describes it."""

    setting: str  # that names it, or what its name has after kafka.group_id
    message: str
    key: Document
    direction: Literal["send", "receive"]  # of this application
    summary: str
    content_type: str
    payload: str | None  # schema of streams.schema.documents.json_schema; None: bytes


_TOPICS: Final = (
    _Topic(
        "user_events", "userEvent", _USER_KEY, "receive", "What users do, and control records.", _JSON, "user-event"
    ),
    _Topic(
        "interest_predictions",
        "interestPrediction",
        _USER_KEY,
        "send",
        "What a user wants next, after each step with events of the user. A null value erases the user's predictions. "
        "Read with isolation.level=read_committed.",
        _JSON,
        "interest-prediction",
    ),
    _Topic(
        "user_events_dlq",
        "deadLetter",
        {"description": "The record's key, as it came."},
        "send",
        "A record that could not be used, byte for byte, with the reason in its headers.",
        _BINARY,
        None,
    ),
    _Topic(
        "item_catalog",
        "catalogItem",
        _ITEM_KEY,
        "receive",
        "Titles, texts and categories of items. A null value deletes the item.",
        _JSON,
        "catalog-item",
    ),
    _Topic(
        "interest_quality",
        "interestQuality",
        {"type": "string", "description": "Transactional id of the worker."},
        "send",
        "Prequential quality of a worker, decayed popularity on the same events beside it.",
        _JSON,
        "interest-quality",
    ),
    _Topic(
        "interest_churn",
        "interestChurn",
        _USER_KEY,
        "send",
        "A user who falls silent, or comes back: each level once. A null value erases the user; keys that begin with a "
        "zero byte are the sweep's own. Written where churn.enabled is on. Read with isolation.level=read_committed.",
        _JSON,
        "interest-churn",
    ),
    _Topic(
        "interest_segments",
        "interestSegment",
        {"type": "string", "description": "Level of risk, and the category, if any, behind a slash."},
        "send",
        "How many users a segment has, whenever that has changed. Written by an HTTP server that has "
        "web.publish_segments_s.",
        _JSON,
        "interest-segment",
    ),
    _Topic(
        "item_index",
        "itemRegistration",
        _ITEM_KEY,
        "send",
        "The register of items: the number of an item's record is its index. For workers and trainers alone.",
        _JSON,
        None,
    ),
    _Topic(
        "model_releases",
        "modelReleasePart",
        {"type": "string", "description": "Part of the model, and the chunk's number."},
        "send",
        "Releases of the model, one transaction each, the manifest last. For workers and trainers alone.",
        _BINARY,
        None,
    ),
    _Topic(
        "decision_requests",
        "decisionRequest",
        _USER_KEY,
        "receive",
        "What is this user to be shown?",
        _JSON,
        "decision-request",
    ),
    _Topic(
        "interest_decisions",
        "interestDecision",
        _USER_KEY,
        "send",
        "What a user is to be shown, by which policy, and how likely each place was. "
        "Read with isolation.level=read_committed.",
        _JSON,
        "interest-decision",
    ),
    _Topic(
        "interest_rewards",
        "interestReward",
        _USER_KEY,
        "send",
        "What a decision led to, once nothing more is waited for. Read with isolation.level=read_committed.",
        _JSON,
        "interest-reward",
    ),
    _Topic(
        "policy_states",
        "policyState",
        {"type": "string", "description": "Name of the policy."},
        "send",
        "What each policy has learnt. For policies and the HTTP server alone.",
        _BINARY,
        None,
    ),
    _Topic(
        "interest_experiments",
        "interestExperiment",
        {"type": "string", "description": "Name of the experiment."},
        "receive",
        "Experiments with their arms, and whether they run. A null value deletes one.",
        _JSON,
        "interest-experiment",
    ),
    _Topic(
        FEEDBACK_SUFFIX,
        "waitingDecision",
        {
            "type": "string",
            "description": "Length of user_id (2 bytes, big-endian), user_id, decision_id.",
        },
        "send",
        "Decisions that wait for feedback. For policies alone.",
        _BINARY,
        None,
    ),
    _Topic(
        CHANGELOG_SUFFIX,
        "userState",
        _USER_KEY,
        "send",
        "Each user's row, a tombstone where the user is erased. For workers and trainers alone.",
        _BINARY,
        None,
    ),
)
_DEAD_LETTER_HEADERS: Final = {
    "reason": "Code of the reason.",
    "message": "What is wrong with the record, in words.",
    "topic": "Where it came from.",
    "partition": "Likewise.",
    "offset": "Likewise.",
    "timestamp": "Its time, epoch ms.",
    "app_version": "Version of the program that refused it.",
}
_MORE_HEADERS: Final = {
    "events": "Of a record of several events, the indices of those that were refused.",
    "replaced": "Parts that were too large, and are their SHA-256 and length here.",
    "headers": "In place of the record's headers, where these are among them.",
}


def document() -> Document:
    """The document. Channels have the default names of the topics."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "interest-stream",
            "version": version("interest-stream"),
            "description": "Tracks and predicts user interest on a live Kafka event stream.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": _JSON,
        "servers": {"local": {"host": KafkaSettings().bootstrap_servers, "protocol": "kafka"}},
        "channels": {topic.message: _channel(topic) for topic in _TOPICS},
        "operations": {
            f"{topic.direction}{topic.message[:1].upper()}{topic.message[1:]}": _operation(topic) for topic in _TOPICS
        },
        "components": {
            "messages": {topic.message: _message(topic) for topic in _TOPICS},
            "schemas": {name: _nested(schema, name) for name, schema in json_schema.schemas().items()},
        },
    }


def text() -> str:
    """The document as its file holds it."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def _channel(topic: _Topic) -> Document:
    names = dataclasses.asdict(TopicSettings())
    address = names.get(topic.setting) or KafkaSettings().group_id + topic.setting
    named_by = f"topics.{topic.setting}" if topic.setting in names else "kafka.group_id"
    return {
        "address": address,
        "description": f"{topic.summary} Named by {named_by}.",
        "messages": {topic.message: {"$ref": f"#/components/messages/{topic.message}"}},
    }


def _operation(topic: _Topic) -> Document:
    return {
        "action": topic.direction,
        "channel": {"$ref": f"#/channels/{topic.message}"},
        "summary": topic.summary,
        "messages": [{"$ref": f"#/channels/{topic.message}/messages/{topic.message}"}],
    }


def _message(topic: _Topic) -> Document:
    message: Document = {
        "name": topic.message,
        "summary": topic.summary,
        "contentType": topic.content_type,
        "bindings": {"kafka": {"key": topic.key, "bindingVersion": "0.5.0"}},
    }
    if topic.payload is not None:
        message["payload"] = {"$ref": f"#/components/schemas/{topic.payload}"}
    if topic.message == "deadLetter":
        message["headers"] = {
            "type": "object",
            "required": [PREFIX + name for name in _DEAD_LETTER_HEADERS],
            "properties": {
                PREFIX + name: {"type": "string", "description": meaning}
                for name, meaning in (_DEAD_LETTER_HEADERS | _MORE_HEADERS).items()
            },
        }
    return message


def _nested(schema: Any, name: str) -> Any:
    """The schema as a component: its references are to definitions inside of it."""
    if isinstance(schema, list):
        return [_nested(part, name) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: f"#/components/schemas/{name}/{part.removeprefix('#/')}" if key == "$ref" else _nested(part, name)
        for key, part in schema.items()
        if key != "$schema"  # a component has the document's dialect
    }


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
