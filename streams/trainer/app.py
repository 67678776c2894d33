"""The trainer's process: everything that it is made of is connected here."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from streams.kafka.client.access import trainer_rights, with_cure
from streams.monitoring.process_monitoring import ProcessMonitoring
from streams.settings.settings import Settings
from streams.trainer.metrics import TrainerMetrics
from streams.trainer.model import Model
from streams.trainer.trainer_loop import run_trainer
from streams.worker.formats import connect_formats
from streams.worker.process.lifecycle import exit_with_error, stop_event, wait_for_broker
from streams.worker.process.threads import in_thread

if TYPE_CHECKING:
    from streams.trainer.changelog_model import ChangelogModel

log = logging.getLogger(__name__)


def run(settings: Settings, *, elected: bool = False) -> None:
    """Runs a trainer until SIGTERM or SIGINT; ends the process with exit code 70 after an error.

    `elected`: by a worker that has started this process; else it takes part in the election of its group.
    """
    try:
        asyncio.run(_run(settings, elected))
    except Exception as error:
        exit_with_error(error)


async def _run(settings: Settings, elected: bool) -> None:
    stop = stop_event()
    try:
        section = settings.monitoring
        monitoring = (
            ProcessMonitoring(section.host, section.trainer_port, "monitoring.trainer_port")
            if elected
            else ProcessMonitoring(section.host, section.port)
        )
        metrics = TrainerMetrics(settings, monitoring.registry)
        monitoring.start()
        waiting = asyncio.ensure_future(wait_for_broker(settings.kafka))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([waiting, stopping], return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            return
        await waiting
        formats = await connect_formats(settings)
        monitoring.health.use(metrics)

        async def make_model() -> Model:
            return await (await in_thread(_model_class)).create(settings, formats.registry)

        await run_trainer(settings, make_model, stop, metrics, elected=elected)
        monitoring.stop()
    except Exception as error:
        exit_with_error(await with_cure(settings.kafka, error, trainer_rights(settings)))
    log.info("stopped")


def _model_class() -> type[ChangelogModel]:
    """Imported only by who is elected: torch takes seconds, and 200 MB that a standby need not have."""
    from streams.trainer.changelog_model import ChangelogModel

    return ChangelogModel
