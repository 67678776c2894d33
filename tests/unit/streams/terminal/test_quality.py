import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from streams.schema.quality import Means, WorkerQuality
from streams.terminal.quality import INACTIVE_AFTER_S, StatsTable, WorkerStats, pooled_means, short_name

NAME = "interest-0c8a2b1e-5a41-4a6e-9f5e-2f6b8a1c3d4e"


def quality(
    events: int, emitted_at: int = 1_731_900_000_000, recall: float | None = 0.5, window: int = 10, worker: str = NAME
) -> WorkerQuality:
    return WorkerQuality(
        recall, 0.25, 2.5, worker=worker, emitted_at=emitted_at, model_version="00c0ffee.4", events=events,
        scored=window, window=window,
        possible=window // 2, popularity=Means(0.125, 0.0625, None),
    )  # fmt: skip


def screen(table: StatsTable, width: int = 110) -> list[str]:
    console = Console(width=width, force_terminal=False)
    with console.capture() as captured:
        console.print(table)
    return [" ".join(line.split()) for line in captured.get().splitlines()]


def test_events_per_second_are_those_between_two_records() -> None:
    stats = WorkerStats(quality(1000), 5.0)
    rates = [stats.events_per_s]
    # A clock that stands still gives no rate.
    for events, emitted_at in ((1800, 1_731_900_002_000), (1900, 1_731_900_002_000)):
        stats.add(quality(events, emitted_at), 7.0)
        rates.append(stats.events_per_s)
    assert rates == [None, 400, 400]
    assert not stats.inactive(7.0 + INACTIVE_AFTER_S)
    assert stats.inactive(7.5 + INACTIVE_AFTER_S)


def test_before_the_first_record_the_table_explains_what_it_waits_for() -> None:
    assert screen(StatsTable()) == ["No record yet: a worker writes one every 2 s while events come in."]


def test_the_line_and_the_table_have_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.terminal.quality.time.monotonic", lambda: 3.0)
    table = StatsTable()
    table.add(quality(1000, recall=0.25), 1.0)
    line = table.add(quality(1800, 1_731_900_002_000), 3.0)
    assert line == (
        "03:20:02 interest-0c8a2b1e: 1800 events, 400/s, recall@10 0.500 (0.125 decayed popularity), "
        "MRR 0.250 (0.062), log-loss 2.500 (-) over 10 events"
    )
    assert screen(table)[1] == "interest-0c8a2b1e 400 1,800 0.500 0.125 0.250 0.062 2.500 - ▅█"
    assert len(screen(table)) == 3  # one worker needs no sum


def test_eighty_characters_show_every_number_and_some_of_the_history(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.terminal.quality.time.monotonic", lambda: 99.0)
    table = StatsTable()
    for number in range(50):
        table.add(quality(23_000 + 800 * number, 2000 * number), 99.0)
    row = screen(table, 80)[1]
    assert row.startswith("interest-0c8a2b1e 400 62,200 0.500 0.125 0.250 0.062 2.500 - ███")
    assert "…" not in row
    assert len(screen(table, 80)) == 3


def test_several_workers_are_summed_and_an_inactive_one_has_rate_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.terminal.quality.time.monotonic", lambda: 3.0 + INACTIVE_AFTER_S)
    table = StatsTable()
    for events, emitted_at in ((100, 0), (300, 1000)):
        table.add(quality(events, emitted_at, worker="a"), 1.0)
        table.add(quality(events * 2, emitted_at, recall=0.9, window=30, worker="b"), 4.0)
    rows = screen(table)
    assert rows[1].startswith("a 0 300 0.500")
    assert rows[2].startswith("b 400 600 0.900")
    assert rows[3].startswith("all 2 400 900 0.800 0.125 0.250 0.062 2.500 -")


WINDOWS = st.lists(st.lists(st.tuples(st.booleans(), st.floats(0, 9) | st.none()), max_size=8), min_size=1, max_size=4)


@given(WINDOWS)
def test_the_means_over_all_workers_are_those_of_their_windows_together(
    windows: list[list[tuple[bool, float | None]]],
) -> None:
    def mean(values: list[float]) -> float | None:
        return sum(values) / len(values) if values else None

    qualities = []
    for window in windows:
        hits, losses = [float(hit) for hit, _ in window], [loss for _, loss in window if loss is not None]
        of = Means(mean(hits), mean(hits), mean(losses))
        one = quality(9, window=len(window))
        one.recall_at_10, one.mrr, one.log_loss, one.popularity = of.recall_at_10, of.mrr, of.log_loss, of
        one.possible = len(losses)
        qualities.append(one)
    hits = [float(hit) for window in windows for hit, _ in window]
    losses = [loss for window in windows for _, loss in window if loss is not None]
    for means in pooled_means(qualities):
        for value, expected in (
            (means.recall_at_10, mean(hits)),
            (means.mrr, mean(hits)),
            (means.log_loss, mean(losses)),
        ):
            assert value == (None if expected is None else pytest.approx(expected))


def test_a_worker_name_is_shortened_to_the_start_of_its_uuid() -> None:
    assert short_name(NAME) == "interest-0c8a2b1e"
    assert short_name("plain") == "plain"
