import json
from typing import Any

import numpy as np
import pytest
from aiokafka.structs import TopicPartition
from jsonschema import Draft202012Validator

from models.inference.predictions import ModelVersion
from models.metrics.prequential_sample import PrequentialSample
from streams.errors import StreamError
from streams.schema.documents.json_schema import schemas
from streams.schema.quality import decode_quality, format_quality
from streams.worker.quality_meter import QualityMeter

SAMPLE = PrequentialSample(
    np.arange(4),
    np.array([1, 4, 20, np.inf]),
    np.array([-0.5, -1.0, -3.0, -np.inf]),
    np.array([2, 50, 60, np.inf]),
    np.array([-2.0, -6.0, -7.0, -np.inf]),
)


@pytest.fixture
def meter() -> QualityMeter:
    return QualityMeter("quality", "group-1", lambda: [0, 3])


def value(meter: QualityMeter) -> dict[str, Any]:
    record = meter.pending_record()
    assert record is not None
    assert record.key == b"group-1"
    assert record.value is not None
    assert (
        decode_quality(record.value) == meter.quality()
        or abs(decode_quality(record.value).emitted_at - meter.quality().emitted_at) < 99
    )
    fields: dict[str, Any] = json.loads(record.value)
    return fields


def test_a_record_holds_the_means_over_committed_steps(meter: QualityMeter) -> None:
    meter.add(30, SAMPLE, ModelVersion(0xABC, 6))
    meter.add(5, None, ModelVersion(0xABC, 7))
    fields = value(meter)
    assert fields.pop("emitted_at") > 1_700_000_000_000
    assert fields == {
        "schema_version": 1,
        "worker": "group-1",
        "model_version": "00000abc.7",
        "events": 35,
        "scored": 4,
        "window": 4,
        "possible": 3,
        "recall_at_10": 0.5,
        "mrr": pytest.approx((1 + 0.25 + 0.05) / 4),
        "log_loss": 1.5,
        "popularity": {"recall_at_10": 0.25, "mrr": pytest.approx((0.5 + 0.02 + 1 / 60) / 4, abs=1e-5), "log_loss": 5},
        "partitions": [0, 3],
    }
    assert meter.topic_partition == TopicPartition("quality", 0)


def test_what_is_written_is_valid_from_the_first_event_on(meter: QualityMeter) -> None:
    validator = Draft202012Validator(schemas()["interest-quality"])
    meter.add(3, None, ModelVersion(0xABC, 0))
    nothing = value(meter)
    assert (nothing["recall_at_10"], nothing["popularity"]["log_loss"]) == (None, None)
    validator.validate(nothing)
    meter.add(30, SAMPLE, ModelVersion(0xABC, 1))
    fields = value(meter)
    validator.validate(fields)
    for field in fields:
        without = {name: fields[name] for name in fields if name != field}
        assert validator.is_valid(without) == (field in ("schema_version", "partitions"))
    assert not validator.is_valid(fields | {"recall_at_10": 1.5})


def test_a_record_is_due_after_the_interval_where_something_is_new(meter: QualityMeter) -> None:
    meter.add(1, SAMPLE, ModelVersion(0xABC, 1))
    assert meter.record_if_due() is None  # the interval begins with the worker
    meter = QualityMeter("quality", "group-1", list, interval_s=0.0)
    assert meter.pending_record() is None
    meter.add(1, SAMPLE, ModelVersion(0xABC, 1))
    assert meter.record_if_due() is not None
    assert meter.record_if_due() is not None  # until it is committed
    meter.mark_written()
    assert meter.record_if_due() is None
    assert meter.pending_record() is None
    meter.add(1, None, ModelVersion(0xABC, 1))
    assert meter.record_if_due() is not None


def test_the_line_has_all_means_and_a_dash_for_none(meter: QualityMeter) -> None:
    assert "recall@10 - (- decayed popularity), MRR - (-), log-loss - (-) over 0 events" in format_quality(
        meter.quality()
    )
    meter.add(30, SAMPLE, ModelVersion(0xABC, 1))
    expected = "recall@10 0.500 (0.250 decayed popularity), MRR 0.325 (0.134), log-loss 1.500 (5.000) over 4 events"
    assert format_quality(meter.quality()) == expected


def test_another_record_is_an_error_that_names_the_topic() -> None:
    with pytest.raises(StreamError, match="quality topic cannot be decoded"):
        decode_quality(b'{"worker": 1}')
