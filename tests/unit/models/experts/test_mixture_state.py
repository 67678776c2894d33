from dataclasses import replace
from typing import Any

import pytest

from models.config import ModelConfig
from models.errors import WeightsError
from models.experts.mixture_state import MixtureState
from tests.unit.models.new_events import events_of


@pytest.mark.parametrize(
    ("changed", "message"), [({"max_successors": 32}, "successors"), ({"allow_repeats": True}, "experts")]
)
def test_state_of_other_experts_is_refused(config: ModelConfig, changed: dict[str, Any], message: str) -> None:
    state = MixtureState(config)
    state.observe(events_of(1, 2, 3))
    with pytest.raises(WeightsError, match=message):
        MixtureState(replace(config, **changed)).restore(state.state())
