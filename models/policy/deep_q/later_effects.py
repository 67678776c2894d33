"""What a place of a slate changes in the rewards of its user's later decisions, by the way in which exposures fade."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.policy.bandits.reward_model import RewardModel
from models.policy.features import EXPOSURE_MEMORY
from models.policy.slate import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class LaterPlaces:
    """m pairs: a place of one of n decisions, and a place with its category in one of S later decisions of the user.

    Ordered by decision, place and step.
    """

    decision: IntArray  # [m] of the n
    place: IntArray  # [m]
    step: IntArray
    """[m] 0 where the later decision is the next one"""
    later_place: IntArray  # [m]

    @classmethod
    def of(cls, category: IntArray, later_category: IntArray, known: IntArray) -> LaterPlaces:
        """From categories [n, K], and [n, S, K] of the decisions after each, the first `known` [n] of which are there.

        -1 where a place has no item, or its item no category.
        """
        there = (np.arange(later_category.shape[1]) < known[:, None])[..., None] & (later_category >= 0)  # [n, S, K]
        same = category[:, :, None, None] == later_category[:, None]  # [n, K, S, K]
        return cls(*np.nonzero(same & there[:, None]))


@dataclass(frozen=True, slots=True)
class LaterInputs:
    """Of the later places of m pairs."""

    interest: FloatArray  # [m]
    exposure: FloatArray  # [m]
    advantage: FloatArray
    """[m] by the target network"""


def later_effects(
    model: RewardModel,
    pairs: LaterPlaces,
    later: LaterInputs,
    shape: tuple[int, int],
    discount: float,
    deviations: float,
) -> FloatArray:
    """[n, K] discounted rewards of later decisions, less what they would be if the user had not seen this place.

    Per unit of examination. A place raises the exposure to its category, in all later decisions by what EXPOSURE_MEMORY
    leaves of it, and so changes the expected rewards of their places with this category; all else in them is the same,
    and cancels. Only what is certain counts: the change is brought closer to 0 by so many deviations of the posterior.
    What comes after the last pair is the advantage of its later place, as far as the exposure has not faded by then.
    """
    places = shape[1]
    effect = np.zeros(shape[0] * places)
    if not len(pairs.decision):
        return effect.reshape(shape)
    examined = model.examination(places)
    added = examined[pairs.place] * EXPOSURE_MEMORY**pairs.step
    without = np.maximum(later.exposure - added, 0)
    inputs = model.exposure_inputs(later.interest, later.exposure) - model.exposure_inputs(later.interest, without)
    weight = discount ** (pairs.step + 1) * examined[pairs.later_place] / examined[pairs.place]
    number = pairs.decision * places + pairs.place  # [m]
    first = np.flatnonzero(np.r_[True, number[1:] != number[:-1]])  # of each place's pairs
    mean, deviation = model.exposure_effect(np.add.reduceat(inputs * weight[:, None], first))
    certain = np.sign(mean) * np.maximum(np.abs(mean) - deviations * deviation, 0)
    last = np.r_[first[1:], len(number)] - 1
    beyond = (discount * EXPOSURE_MEMORY) ** (pairs.step[last] + 1) * later.advantage[last]
    effect[number[first]] = certain + beyond
    return effect.reshape(shape)
