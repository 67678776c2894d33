"""`interest-stream profile`: what is unusual in an event log or a topic, before it is replayed, learnt or ingested."""

from datetime import UTC, datetime
from pathlib import Path

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from streams.cli.logs.replay import print_left_out, print_plain
from streams.files.outliers import CountOutliers
from streams.files.profile import EventSource, LogProfile, profile_log, write_picture

_OUTLIERS_SHOWN = 3


def show_profile(console: Console, log: EventSource, json_file: Path | None, picture: Path | None) -> None:
    """Print the profile; write it to the files that are given."""
    print_plain(console, log.description)
    with console.status("reading") as status:
        profile = profile_log(log, lambda events: status.update(f"reading: {events:,} events"))
    console.print(_table(profile))
    print_left_out(console, profile.left_out, log.unit)
    if json_file is not None:
        json_file.write_bytes(orjson.dumps(profile.to_json(), option=orjson.OPT_INDENT_2))
    if picture is not None:
        write_picture(profile, picture)


def _table(profile: LogProfile) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column()

    def share(count: int) -> str:
        return f"{count:,} ({count / profile.events:.1%})"

    disorder = profile.disorder
    late = "none: the log is in order of time"
    if disorder.late_events:
        late = (
            f"{share(disorder.late_events)} are earlier than one before, by {disorder.max_late_ms / 1000:,.0f} s "
            f"at most; first {disorder.first_late}"
        )
    middle, last = profile.growth[(len(profile.growth) - 1) // 2], profile.growth[-1]
    rows = {
        "events": f"{profile.events:,}",
        "users": f"{len(profile.users):,}",
        "items": f"{len(profile.items):,}",
        "time": f"{_day(profile.first_ms)} to {_day(profile.last_ms)}",
        "types": ", ".join(f"{name} {share(count)}" for name, count in profile.types.most_common(8)),
        "duplicates": f"{share(profile.duplicates)} have user, item, type and time of an earlier event",
        "without": f"item {share(profile.without_item)}, value {share(profile.without_value)}, "
        f"text {share(profile.without_text)}",
        "disorder": late,
        "user outliers": _outliers(profile.user_outliers(), profile.events),
        "item outliers": _outliers(profile.item_outliers(), profile.events),
        "growth": f"in the second half {last[1] - middle[1]:,} users and {last[2] - middle[2]:,} items are new",
    }
    for name, text in rows.items():
        table.add_row(name, Text("".join(character if character.isprintable() else "�" for character in text)))
    return table


def _outliers(outliers: CountOutliers, events: int) -> str:
    text = f"median {outliers.median:,.0f} events, bound {outliers.bound:,.0f}: "
    if not outliers.counts:
        return text + "none has more"
    most = ", ".join(f"{id_} {count:,}" for id_, count in list(outliers.counts.items())[:_OUTLIERS_SHOWN])
    share = sum(outliers.counts.values()) / events
    return f"{text}{len(outliers.counts):,} have more, {share:.1%} of the events ({most})"


def _day(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(" ", "seconds").removesuffix("+00:00") + " UTC"
