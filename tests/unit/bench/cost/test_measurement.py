import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from bench.__main__ import app
from bench.cost.held_memory import held
from bench.cost.measurement import BESIDE, REST, STAGES, measure, rounds_of
from bench.cost.report import CostReport
from bench.cost.workload import Stand, Workload
from models.config import ModelConfig
from models.data.user_state import new_user_states

WORKLOAD = Workload(items=1100, users=130)
ROUNDS = 2


@pytest.fixture(scope="module")
def stand() -> Stand:
    return Stand(WORKLOAD, WORKLOAD.config("filter"))


@pytest.fixture(scope="module")
def report() -> tuple[CostReport, list[tuple[int, int]]]:
    rounds: list[tuple[int, int]] = []
    found = measure(WORKLOAD, ["allow"], [16, 64], ROUNDS, lambda done, total: rounds.append((done, total)))
    return found, rounds


def test_users_have_full_rings_of_what_was_counted(stand: Stand) -> None:
    config = stand.engine.config
    assert (stand.rows["steps"] == config.history_length).all()
    assert (stand.rows["ring_item"] > 0).all()
    assert stand.rows["h"].any(1).all()
    had = np.unpackbits(stand.rows["seen"], axis=1, bitorder="little")
    assert had[0, np.unique(stand.rows["ring_item"][0])].all()
    counts = stand.engine.experts()["popularity.counts"]
    assert counts[-1].sum() == pytest.approx(WORKLOAD.users * config.history_length)


def test_each_event_of_a_batch_is_of_another_user_and_the_same_seed_gives_the_same(stand: Stand) -> None:
    first, second = (next(Stand(WORKLOAD, WORKLOAD.config("filter")).batches(50)) for _ in range(2))
    row, batch = first
    assert len(np.unique(row)) == len(batch) == 50
    np.testing.assert_array_equal(row, second[0])
    np.testing.assert_array_equal(batch.item, second[1].item)


def test_every_part_of_a_step_is_measured(report: tuple[CostReport, list[tuple[int, int]]]) -> None:
    found, progress = report
    (model,) = found.models
    total = rounds_of(["allow"], [16, 64], ROUNDS)
    assert total == 9
    assert progress == [(done, total) for done in range(1, total + 1)]
    assert [step.batch for step in model.steps] == [16, 64]
    for step in model.steps:
        assert set(step.parts) == {stage.name for stage in STAGES} | {REST}
        assert all(us > 0 for name, us in step.parts.items() if name != "items had")
        assert step.parts["items had"] == 0  # items come back here
        assert set(step.beside) == set(BESIDE)
        assert all(us > 0 for us in (*step.beside.values(), step.whole))
        assert step.total == pytest.approx(sum(step.parts.values()))
    assert model.learning > 0
    assert model.events_per_learning_step == 128


def test_memory_is_that_of_the_arrays(stand: Stand) -> None:
    chosen, batch = next(stand.batches(128))
    stand.learner.observe(batch, stand.engine.step(batch, stand.rows[chosen]).rows)
    assert stand.learner.train_step() is not None  # its tables grow when they are needed
    found = {(each.holder, each.name): each.bytes for each in held(stand, WORKLOAD.items)}
    row = {name: size for (holder, name), size in found.items() if holder == "row"}
    assert sum(row.values()) == stand.layout.size == len(stand.layout.pack(stand.rows[:1])[0])
    fields = new_user_states(stand.engine.config, 1).dtype
    assert {name: row[name] for name in fields.names or ()} == {
        name: fields[name].itemsize for name in fields.names or ()
    }
    state = stand.engine.experts()
    experts = {name: size for (holder, name), size in found.items() if holder == "experts"}
    tables = {name: array for name, array in state.items() if name.partition(".")[0] in ("after", "before")}
    assert experts["popularity.counts"] == state["popularity.counts"].nbytes / state["popularity.counts"].shape[1]
    # The same tables, and nothing else: the matrix that multiplies them is a view.
    assert {name: size for name, size in experts.items() if name != "popularity.counts"} == {
        name: a.nbytes / len(a) for name, a in tables.items()
    }
    weights = stand.learner.weights().tensors
    for holder in ("engine", "learner"):
        for name in ("item", "item_bias"):
            assert found[holder, f"network.{name}"] == weights[name].nbytes / len(weights[name])
    assert found["engine", "items.content.described"] == 2 * 512


def test_the_tables_show_all_that_is_saved(report: tuple[CostReport, list[tuple[int, int]]], tmp_path: Path) -> None:
    found, _ = report
    file = tmp_path / "results" / "cost.json"
    found.save(file)
    saved = json.loads(file.read_text())
    assert saved["workload"] == {"items": 1100, "users": 130, "device": "cpu", "seed": 0, "rounds": ROUNDS}
    assert saved["models"][0]["steps"][1]["parts"] == found.models[0].steps[1].parts
    console = Console(width=140)
    with console.capture() as captured:
        for table in found.tables():
            console.print(table)
    shown = captured.get()
    for name in (*saved["models"][0]["steps"][0]["parts"], *BESIDE, "sum of the parts", "a step, not taken apart"):
        assert name in shown
    for each in saved["models"][0]["held"]:
        assert each["name"] in shown


def test_help_says_what_is_measured() -> None:
    shown = CliRunner().invoke(app, ["cost", "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    for word in ("--batch", "--items", "--users", "--repeats", "--device", "not taken apart", "throughput"):
        assert word in shown.output


def test_fewer_users_than_events_of_a_batch_are_an_error_that_says_how_many() -> None:
    shown = CliRunner().invoke(app, ["cost", "--users", "500"])
    assert shown.exit_code == 1
    assert "--users 1000" in " ".join(shown.output.split())


def test_another_device_is_an_error_that_names_those_there_are() -> None:
    shown = CliRunner().invoke(app, ["cost", "--device", "tpu"])
    assert shown.exit_code == 1
    assert "cpu, cuda or cuda:N" in " ".join(shown.output.split())


def test_a_row_without_texts_holds_none() -> None:
    config = ModelConfig(text="none", device="cpu")
    names = [each.name for each in held(Stand(WORKLOAD, config), WORKLOAD.items)]
    assert "ring_text" not in names
    assert not any(name.startswith("items.content") for name in names)
