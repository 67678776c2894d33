"""The outlook's parameters at work: from stored rows and silence to the probability of return within each horizon."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from models.config import ModelConfig
from models.data.horizons.activity import Activity
from models.data.horizons.horizon_days import HORIZON_S
from models.errors import WeightsError
from models.experts.horizons.event_forecast import EventForecast
from models.experts.horizons.interest_gate import InterestGate
from models.experts.horizons.online_logistic import logit
from models.experts.horizons.return_mixture import STEP_BEGIN_S, STEP_END_S, ReturnMixture
from models.experts.popular_interest import PopularInterest
from models.network.heads.horizon_heads import HorizonHeads, hazards, head_inputs
from models.network.heads.return_time import BUCKETS, cumulative_hazard
from models.transfers import to_host

_HEADS, _MIXTURE, _INTEREST, _EVENTS = "heads.", "return.", "interest.", "events."

_BEGIN_S: Final = np.concatenate([np.zeros(len(HORIZON_S)), STEP_BEGIN_S])
_TIMES_S: Final = np.concatenate([_BEGIN_S, HORIZON_S, STEP_END_S])


def _passed(hazard: NDArray[np.float32], silent_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """[U, H + S] cumulative hazard of each horizon, then of each step, after so many silent seconds [U]."""
    begin, end = np.split(cumulative_hazard(hazard, silent_s[:, None] + _TIMES_S), 2, axis=1)
    passed: NDArray[np.float64] = end - begin
    return passed


_PASSED_NOW: Final = _passed(np.eye(BUCKETS, dtype=np.float32), np.zeros(BUCKETS))
"""[buckets, H + S] what one of each bucket's hazard gives right after an event, which is when a step asks"""

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class ReturnSignals:
    """What U rows and their silence say of the users' return."""

    inputs: NDArray[np.float32]
    """[U, I] of the heads"""
    recency: NDArray[np.float64]
    """[U, F] features of the counts"""
    logits: NDArray[np.float64]
    """[U, H, E] of return within each horizon, by RETURN_EXPERTS"""


class HorizonModel:
    """Heads, and the mixture with counts; in one thread at a time."""

    def __init__(self, config: ModelConfig, device: torch.device) -> None:
        self.heads = HorizonHeads(config).to(device)
        self.mixture = ReturnMixture()
        self.interest = InterestGate()
        self.events = EventForecast()
        self.popular = PopularInterest()
        self._hidden_size = config.hidden_size

    @torch.inference_mode()
    def signals(
        self, rows: NDArray[np.void], silent_s: NDArray[np.float64], activity: Activity | None = None
    ) -> ReturnSignals:
        """Of rows [U] whose users have been silent for so many seconds [U]; `activity` is the rows', where known."""
        activity, silent_s = Activity.of(rows) if activity is None else activity, np.maximum(silent_s, 0)
        inputs = head_inputs(rows, activity, self._hidden_size)
        recency = activity.recency_features(silent_s[:, None] + STEP_BEGIN_S)  # [U, S, F]
        (hazard,) = to_host([hazards(self.heads, inputs)])  # [U, buckets]
        passed = _passed(hazard, silent_s) if silent_s.any() else hazard @ _PASSED_NOW
        network = logit(-np.expm1(-passed))  # [U, H + S]
        horizons = len(HORIZON_S)
        logits = self.mixture.logits(recency, network[:, horizons:], network[:, :horizons])
        return ReturnSignals(inputs, recency[:, 0], logits)

    def return_p(self, signals: ReturnSignals) -> NDArray[np.float32]:
        """[U, H] probability of an event within each horizon from now."""
        return self.mixture.probabilities(signals.logits).astype(np.float32)

    def forecast(self, signals: ReturnSignals) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """[U, H, T] probability of an event of each type within each horizon; [U, H] spending expected in it."""
        type_p = self.events.type_p(signals.recency, signals.logits[:, :, 0])
        spent = self.events.spending(signals.recency, type_p)
        return type_p.astype(np.float32), spent.astype(np.float32)

    def state(self) -> dict[str, NDArray[Any]]:
        """Copy of all parameters, by name."""
        heads = {
            _HEADS + name: tensor.detach().cpu().numpy().copy() for name, tensor in self.heads.state_dict().items()
        }
        mixture = {_MIXTURE + name: array for name, array in self.mixture.state().items()}
        events = {_EVENTS + name: array for name, array in self.events.state().items()}
        return heads | mixture | events | {_INTEREST + name: array for name, array in self.interest.state().items()}

    def restore(self, state: Arrays) -> None:
        """Go on from `state`. WeightsError where it does not fit; then nothing changed."""
        self.prepared(state)()

    def prepared(self, state: Arrays) -> Callable[[], None]:
        """What goes on from `state` once it is called, and cannot fail. WeightsError where the state does not fit."""
        parameters = self.heads.state_dict()
        heads, mixture, interest, events = (
            {name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)}
            for prefix in (_HEADS, _MIXTURE, _INTEREST, _EVENTS)
        )
        new_mixture, new_interest, new_events = ReturnMixture(), InterestGate(), EventForecast()
        try:
            if {name: array.shape for name, array in heads.items()} != {
                name: tuple(tensor.shape) for name, tensor in parameters.items()
            }:
                raise ValueError("other shapes of the heads")
            new_mixture.restore(mixture)
            new_interest.restore(interest)
            new_events.restore(events)
        except (ValueError, KeyError) as error:
            raise WeightsError(
                f"the heads of model.horizons were made with other settings of the model ({error}): set these back or "
                "begin anew"
            ) from error

        def go_on() -> None:
            self.mixture, self.interest, self.events = new_mixture, new_interest, new_events
            with torch.no_grad():
                for name, array in heads.items():
                    parameters[name].copy_(torch.from_numpy(np.array(array)))

        return go_on
