import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from bench.cli import app
from bench.cost.measurement import NEWCOMERS, OTHER, REST, STAGES, measure, total_rounds
from bench.cost.memory_use import memory_use
from bench.cost.report import CostReport
from bench.cost.stage_clock import Stage
from bench.cost.workload import ModelUnderTest, Workload
from models.config import ModelConfig
from models.data.user_state import new_user_states

WORKLOAD = Workload(items=1100, users=130)
ROUNDS = 2


@pytest.fixture(scope="module")
def model() -> ModelUnderTest:
    return ModelUnderTest(WORKLOAD, WORKLOAD.config(allow_repeats=False))


@pytest.fixture(scope="module")
def report() -> tuple[CostReport, list[tuple[int, int]]]:
    rounds: list[tuple[int, int]] = []
    measured = measure(WORKLOAD, [True], [16, 64], ROUNDS, lambda done, total: rounds.append((done, total)))
    return measured, rounds


def test_users_have_full_histories_and_their_events_are_counted(model: ModelUnderTest) -> None:
    config = model.engine.config
    assert (model.rows["steps"] == config.history_length).all()
    assert (model.rows["ring_item"] > 0).all()
    assert model.rows["h"].any(1).all()
    had = np.unpackbits(model.rows["seen"], axis=1, bitorder="little")
    assert had[0, np.unique(model.rows["ring_item"][0])].all()
    counts = model.engine.experts()["popularity.counts"]
    assert counts[-1].sum() == pytest.approx(WORKLOAD.users * config.history_length)


def test_a_batch_has_distinct_users_and_the_same_seed_gives_the_same_batch(model: ModelUnderTest) -> None:
    first, second = (next(ModelUnderTest(WORKLOAD, WORKLOAD.config(allow_repeats=False)).batches(50)) for _ in range(2))
    row, batch = first
    assert len(np.unique(row)) == len(batch) == 50
    np.testing.assert_array_equal(row, second[0])
    np.testing.assert_array_equal(batch.item, second[1].item)


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.function)
def test_every_stage_is_a_function_that_exists(stage: Stage) -> None:
    assert callable(getattr(stage.owner, stage.function, None)), (
        f"{stage.owner.__name__} has no function {stage.function}: update STAGES of bench.cost.measurement"
    )


def test_every_part_of_a_micro_batch_is_measured(report: tuple[CostReport, list[tuple[int, int]]]) -> None:
    cost_report, progress = report
    (costs,) = cost_report.models
    total = total_rounds([True], [16, 64], ROUNDS)
    assert total == 12
    assert progress == [(done, total) for done in range(1, total + 1)]
    assert [step.batch for step in costs.steps] == [16, 64]
    for step in costs.steps:
        assert set(step.parts) == {stage.name for stage in STAGES} | {REST}
        assert all(us > 0 for name, us in step.parts.items() if name != "items had")
        assert step.parts["items had"] == 0  # items come back here
        assert set(step.other) == set(OTHER)
        assert all(us > 0 for us in (*step.other.values(), step.undivided))
        assert step.total == pytest.approx(sum(step.parts.values()))
    assert costs.training > 0
    assert costs.events_per_train_step == 128


def test_memory_use_is_that_of_the_arrays(model: ModelUnderTest) -> None:
    chosen, batch = next(model.batches(128))
    step = model.engine.step(batch, model.rows[chosen])
    model.engine.observe(step)
    model.learner.observe(step.rows, step.new_events)
    assert model.learner.train_step() is not None  # its tables grow when they are needed
    measured = {(use.owner, use.name): use.bytes for use in memory_use(model, WORKLOAD.items)}
    row = {name: size for (owner, name), size in measured.items() if owner == "row"}
    assert sum(row.values()) == model.layout.size == len(model.layout.pack(model.rows[:1])[0])
    fields = new_user_states(model.engine.config, 1).dtype
    assert {name: row[name] for name in fields.names or ()} == {
        name: fields[name].itemsize for name in fields.names or ()
    }
    state = model.engine.experts()
    experts = {name: size for (owner, name), size in measured.items() if owner == "experts"}
    popularity = {name: size for name, size in experts.items() if name.startswith("counts.popularity.")}
    assert sum(popularity.values()) == state["popularity.counts"].nbytes / state["popularity.counts"].shape[1]
    tables = {name: array for name, array in state.items() if name.partition(".")[0] in ("successors", "predecessors")}
    assert {name: size for name, size in experts.items() if name not in popularity} == {
        "counts.pairs.changed": 1,  # whether it is to be released
        **{f"counts.pairs.tables.{name}": array.nbytes / len(array) for name, array in tables.items()},
    }
    weights = model.learner.weights().tensors
    for owner, network in (("engine", "model.network"), ("learner", "network")):
        for name in ("item", "item_bias"):
            assert measured[owner, f"{network}.{name}"] == weights[name].nbytes / len(weights[name])
    assert measured["engine", "items.content.described"] == 2 * 512


def test_a_slot_that_is_taken_over_has_its_cost(report: tuple[CostReport, list[tuple[int, int]]]) -> None:
    measured, _ = report
    assert measured.models[0].newcomers == NEWCOMERS
    assert measured.models[0].takeover > 0


def test_the_tables_show_all_saved_figures(report: tuple[CostReport, list[tuple[int, int]]], tmp_path: Path) -> None:
    measured, _ = report
    file = tmp_path / "results" / "cost.json"
    measured.save(file)
    saved = json.loads(file.read_text())
    assert saved["workload"] == {"items": 1100, "users": 130, "device": "cpu", "seed": 0, "rounds": ROUNDS}
    assert saved["models"][0]["steps"][1]["parts"] == measured.models[0].steps[1].parts
    console = Console(width=140)
    with console.capture() as captured:
        for table in measured.tables():
            console.print(table)
    shown = captured.get()
    for name in (
        *saved["models"][0]["steps"][0]["parts"],
        *OTHER,
        "sum of the parts",
        "not taken apart",
        "slot taken over",
    ):
        assert name in shown
    for use in saved["models"][0]["memory"]:
        assert use["name"] in shown


def test_help_explains_what_is_measured() -> None:
    shown = CliRunner().invoke(app, ["cost", "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    for word in ("--batch", "--items", "--users", "--repeats", "--device", "not taken apart", "throughput"):
        assert word in shown.output


def test_fewer_users_than_events_of_a_batch_are_an_error_with_the_number_needed() -> None:
    shown = CliRunner().invoke(app, ["cost", "--users", "500"])
    assert shown.exit_code == 1
    assert "--users 1000" in " ".join(shown.output.split())


def test_an_unknown_device_is_an_error_with_the_known_devices() -> None:
    shown = CliRunner().invoke(app, ["cost", "--device", "tpu"])
    assert shown.exit_code == 1
    assert "cpu, cuda or cuda:N" in " ".join(shown.output.split())


def test_memory_use_has_no_texts_without_a_text_encoder() -> None:
    config = ModelConfig(text="none", device="cpu")
    names = [use.name for use in memory_use(ModelUnderTest(WORKLOAD, config), WORKLOAD.items)]
    assert "ring_text" not in names
    assert not any(name.startswith("items.content") for name in names)
