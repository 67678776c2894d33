"""The command `synthesize`: users who are made up, to a file or into Kafka."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.command_group import console, run

if TYPE_CHECKING:
    from streams.files.logged_event import LoggedEvent
    from streams.files.simulated_feedback import SimulatedFeedback
    from streams.settings.settings import Settings


def synthesize(
    ctx: typer.Context,
    events: Annotated[int, typer.Option(min=1, help="How many events.")] = 10_000,
    users: Annotated[int, typer.Option(min=1, help="How many users.")] = 100,
    items: Annotated[int, typer.Option(min=12, help="How many items.")] = 240,
    seed: Annotated[int, typer.Option(min=0, help="Another seed is another population.")] = 0,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="JSON lines.", show_default="stdout")] = None,
    items_out: Annotated[Path | None, typer.Option(metavar="FILE", help="The items: .csv, else JSON lines.")] = None,
    rate: Annotated[
        str | None, typer.Option(metavar="N/s", help="Send to Kafka instead, at this rate or [bold]max[/].")
    ] = None,
    feedback: Annotated[
        bool,
        typer.Option(
            "--feedback",
            help="Instead: users who see slates; impressions, clicks and purchases name the decision.",
        ),
    ] = False,
    decisions_out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Of --feedback: the decisions with propensities, as JSON lines."),
    ] = None,
) -> None:
    """Generate users whose interests drift: to a file, or straight into Kafka.

    interest-stream synthesize --events 50000 --out events.jsonl --items-out items.jsonl

    interest-stream synthesize --events 50000 --rate 300/s

    interest-stream synthesize --feedback --events 50000 --out events.jsonl --decisions-out decisions.jsonl

    interest-stream synthesize --feedback --events 50000 --rate 1000/s
    """
    if rate is not None and (out is not None or items_out is not None):
        raise typer.BadParameter("--out and --items-out write files, --rate sends all to Kafka: give one")
    if feedback:
        from streams.files.simulated_feedback import simulate_feedback
        from streams.files.synthetic import write_files
        from streams.kafka.pacing import parse_rate

        if rate is not None and decisions_out is not None:
            raise typer.BadParameter("--decisions-out writes a file, --rate sends the decisions to Kafka: give one")
        rate_per_s = None if rate is None else parse_rate(rate)
        simulated = simulate_feedback(events, users, items, seed)
        if rate is not None:
            run(_send_feedback(ctx.obj.settings(), simulated, rate_per_s))
            return
        write_files(simulated, out, items_out)
        if decisions_out is not None:
            simulated.write_decisions(decisions_out)
        return
    if decisions_out is not None:
        raise typer.BadParameter("--decisions-out is of --feedback: give both")
    from streams.cli.logs.replay import send
    from streams.files.synthetic import synthesize as generate
    from streams.files.synthetic import write_files
    from streams.kafka.pacing import parse_rate

    stream = generate(events, users, items, seed)
    if rate is None:
        write_files(stream, out, items_out)
    else:
        settings, rate_per_s = ctx.obj.settings(), parse_rate(rate)
        run(send(settings, console(), stream.events(), events, stream.items(), rate_per_s))


async def _send_feedback(settings: "Settings", simulated: "SimulatedFeedback", rate_per_s: float | None) -> None:
    """Items, then the events, each after its decision."""
    from streams.cli.logs.replay import send
    from streams.kafka.publisher import Publisher
    from streams.schema.decisions.decision import encode_decision

    decisions = {decision.decision_id: decision for decision in simulated.decisions}
    async with Publisher(settings.kafka, settings.topics.interest_decisions) as publisher:

        async def send_named(events: "Sequence[LoggedEvent]") -> None:
            ids = dict.fromkeys(str((event.extra_fields or {}).get("decision_id")) for event in events)
            named = [decisions.pop(decision_id) for decision_id in ids if decision_id in decisions]
            await publisher.send([(decision.user_id.encode(), encode_decision(decision)) for decision in named])

        events, items = simulated.events(), simulated.items()
        await send(settings, console(), events, len(events), items, rate_per_s, before=send_named)
