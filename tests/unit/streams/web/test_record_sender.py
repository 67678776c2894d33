import pytest

from streams.settings.settings import load_settings
from streams.web.http.problems import Problem
from streams.web.record_sender import decision_sender


async def test_a_first_record_while_no_broker_answers_is_a_problem_that_says_to_ask_again() -> None:
    sender = decision_sender(load_settings(None, ["kafka.bootstrap_servers=127.0.0.1:1"]))
    with pytest.raises(Problem) as problem:
        await sender.send([(b"u", b"{}")])
    assert problem.value.status == 503
    assert "Kafka at 127.0.0.1:1 does not answer" in problem.value.detail
    assert problem.value.detail.endswith("ask again")
