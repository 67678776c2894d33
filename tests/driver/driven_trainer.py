"""A trainer whose steps the test asks for, on a broker in memory."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from torch import Tensor

from models.inference.engine import Engine
from models.items.vocabulary import ItemContentLike
from models.releases.release import Release
from streams.settings.settings import Settings
from streams.trainer.changelog_model import ChangelogModel
from streams.trainer.metrics import TrainerMetrics
from streams.trainer.term import Term


class DrivenTrainer:
    """One term of a trainer."""

    def __init__(self, term: Term, model: ChangelogModel) -> None:
        self._term = term
        self._model = model

    @staticmethod
    async def begin(settings: Settings) -> DrivenTrainer:
        """A term, from the newest release on."""
        model = await ChangelogModel.create(settings, None)
        term = Term(settings, model, TrainerMetrics(settings))
        await term._begin()
        return DrivenTrainer(term, model)

    @property
    def engine(self) -> Engine:
        """The engine that counts, and scores before it does."""
        return self._model._trainer._engine

    def item_content(self) -> ItemContentLike:
        """Texts and features of the items."""
        assert self._model._vocabulary.content is not None
        return self._model._vocabulary.content

    async def observe(self) -> None:
        """Counts all rows that are committed."""
        while await self._term._observe():
            pass

    async def learn(self) -> int:
        """Learns from all that was counted; how many steps that took."""
        steps = 0
        while await self._model.train_step(partial=True) is not None:
            self._term._has_learnt = True
            steps += 1
        return steps

    async def release(self) -> int:
        """Writes what is new, and returns its number."""
        await self._term._release()
        return self._term._releases._records.number

    async def look(self) -> None:
        """Does what was asked for from outside."""
        await self._term._look()

    def trial(self) -> dict[str, Any]:
        """Of a candidate, as the next release has it."""
        return dict(self._model._trial.summary)

    def weights(self) -> dict[str, Tensor]:
        """Those to predict with."""
        return dict(self._model._trainer._learner.weights().tensors)

    def replayed_users(self) -> int:
        """Of how many users there are windows to replay."""
        windows = self._model._trainer._learner._replay_buffer.state()
        return len(set(windows["user"].tolist()))

    def spoil_next_release(self) -> None:
        """Weights in it are not finite."""
        trainer = self._model._trainer
        release = trainer.release

        def spoilt(*args: Any, **options: Any) -> Release:
            trainer.release = release  # type: ignore[method-assign]  # spoilt once, by the test
            result = release(*args, **options)
            for array in result.shared.values():
                cast(Any, array).fill(np.nan)
            return result

        trainer.release = spoilt  # type: ignore[method-assign]  # as above

    async def save(self) -> None:
        """Writes a checkpoint."""
        await self._term._save()

    async def close(self) -> None:
        """Ends as by SIGKILL."""
        await self._term.close()
