"""Predictions as they arrive, formatted for a terminal: user, next items, interests (categories), explanation."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping

import msgspec
from msgspec import UNSET
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from streams.kafka.reader import reading
from streams.kafka.undecodable import UndecodableRecord
from streams.registry.prediction_reader import PredictionReader
from streams.schema.predictions import Prediction
from streams.settings.settings import Settings
from streams.terminal.text import format_time, printable, printable_json
from streams.terminal.titles import ItemTitles

EIGHTHS = " ▏▎▍▌▋▊▉"
SHOWN_ITEMS = 5
HINT_AFTER_S = 5.0
"""Without a record for so long, `tail` says that it waits"""
MIN_SHARE = 0.005
"""Smaller shares of an explanation are left out: they would read 0%"""


def bar(share: float, width: int) -> str:
    """A horizontal bar, `width` characters for a share of 1, exact to an eighth of a character."""
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    return "█" * (eighths // 8) + EIGHTHS[eighths % 8].strip()


def percent(share: float) -> str:
    """The share as a percentage of at most four characters."""
    return f"{share * 100:.0f}%" if share >= 0.0995 else f"{share * 100:.1f}%"


def render_prediction(prediction: Prediction, title: Callable[[str], str]) -> RenderableType:
    """One prediction as a block of lines; `title` maps an item id to what is shown for it."""
    source = f"{prediction.source.partition}:{prediction.source.offset}"
    head = Text.assemble(
        (printable(prediction.user_id), "bold cyan"),
        (f"  event {prediction.state_version} of the user, {format_time(prediction.event_time)}", "dim"),
        (f"  ·  {printable(prediction.model_version)}  ·  {source}", "dim"),
    )
    categories = Table.grid(padding=(0, 1))
    for name, p in zip(prediction.categories, prediction.category_p, strict=True):
        categories.add_row(Text(printable(name)[:16], style="magenta"), percent(p), Text(bar(p, 20), style="magenta"))
    items = Table.grid(padding=(0, 1))
    for item, p in list(zip(prediction.items, prediction.item_p, strict=True))[:SHOWN_ITEMS]:
        items.add_row(Text(percent(p), style="green"), Text(printable(title(item)), overflow="ellipsis", no_wrap=True))
    body = Table.grid(padding=(0, 3), expand=False)
    body.add_row(Text(" "), categories, items)
    parts: list[RenderableType] = [head, body]
    parts.extend(Text(f"    {printable(line)}", style="dim") for line in _outlook_lines(prediction))
    if prediction.items:
        parts.extend(
            Text(f"    {printable(line)}", style="dim", overflow="ellipsis", no_wrap=True)
            for line in _explanation_lines(prediction, title)
        )
    parts.append(Text(""))
    return Group(*parts)


def _outlook_lines(prediction: Prediction) -> Iterator[str]:
    """Whether the user comes back, and what they want over the longest horizon; nothing where it is not known."""
    if prediction.return_p is not UNSET:
        yield "returns " + ", ".join(f"within {days} d {percent(p)}" for days, p in prediction.return_p.items())
    if prediction.horizons is not UNSET and prediction.horizons:
        longest = max(prediction.horizons, key=lambda horizon: horizon.days)
        shares = zip(longest.categories[:SHOWN_ITEMS], longest.category_p, strict=False)
        if named := ", ".join(f"{name} {percent(p)}" for name, p in shares):
            yield f"over {longest.days} d {named}"
        if longest.type_p is not UNSET and longest.type_p:
            rising = sorted(longest.type_p.items(), key=lambda of_type: -of_type[1])
            spent = f", spends {longest.spent:.4g}" if longest.spent is not UNSET and longest.spent > 0 else ""
            yield f"within {longest.days} d " + ", ".join(f"{name} {percent(p)}" for name, p in rising) + spent


def _explanation_lines(prediction: Prediction, title: Callable[[str], str]) -> Iterator[str]:
    item_shares = zip(prediction.because, prediction.because_weight, strict=True)
    items = [f"{title(item)} ({share:.0%})" for item, share in item_shares]
    others = {"other events": prediction.because_other, "popularity": prediction.carried_by.popularity}
    yield "because of " + ", ".join(items + _format_shares(others))
    yield "carried by " + ", ".join(_format_shares(msgspec.structs.asdict(prediction.carried_by)))


def _format_shares(shares: Mapping[str, float]) -> list[str]:
    return [f"{name} {share:.0%}" for name, share in shares.items() if share >= MIN_SHARE]


async def tail_predictions(
    settings: Settings,
    console: Console,
    *,
    user: str | None = None,
    limit: int | None = None,
    from_start: bool = False,
    as_json: bool = False,
) -> None:
    """Print predictions as they arrive, `limit` of them (None: without end); `as_json` prints the records as JSON."""
    kafka, topic = settings.kafka, settings.topics.interest_predictions
    reader = PredictionReader(settings.registry)
    printed, hinted, start_s = 0, False, time.monotonic()
    async with (
        ItemTitles(settings) as titles,
        # All partitions for one user, too: which one is the producer's choice.
        reading(kafka, [topic], from_start=from_start) as consumer,
    ):
        while limit is None or printed < limit:
            batches = await consumer.getmany(timeout_ms=200)
            if not hinted and not printed and time.monotonic() - start_s > HINT_AFTER_S and sys.stderr.isatty():
                hinted = True
                others = "" if from_start else "; --from-start reads from the beginning"
                Console(stderr=True).print(f"nothing new yet: waiting{others}", style="dim", highlight=False)
            if batches and not as_json:
                await titles.refresh()
            for record in (record for records in batches.values() for record in records):
                if (
                    isinstance(record, UndecodableRecord)
                    or record.value is None
                    or (user is not None and record.key != user.encode())
                ):
                    continue  # a tombstone: the user was deleted
                if as_json:
                    text = (await reader.json(record.value)).decode(errors="backslashreplace")
                    sys.stdout.write(printable_json(text) + "\n")
                    sys.stdout.flush()
                else:
                    console.print(render_prediction(await reader.read(record.value), titles))
                printed += 1
                if printed == limit:
                    return
