import importlib.util

import pytest

from bench.errors import BenchError
from bench.throughput.comparison import PROGRAMS, RATIO_PAIRS, by_codec, choose_programs


def test_every_program_is_a_module_that_exists() -> None:
    for program in PROGRAMS:
        assert importlib.util.find_spec(program.module) is not None
        assert 0 < program.share <= 1


def test_ratios_are_of_programs() -> None:
    assert {name for pair in RATIO_PAIRS for name in pair} <= {program.name for program in PROGRAMS}


def test_programs_are_chosen_by_name_in_their_own_order() -> None:
    assert choose_programs([]) == list(PROGRAMS)
    assert [program.name for program in choose_programs(["floor", "idiomatic_faust"])] == ["idiomatic_faust", "floor"]


def test_an_unknown_program_is_an_error_that_lists_the_known() -> None:
    with pytest.raises(BenchError, match=r"no program is called flor; there are .*floor"):
        choose_programs(["flor"])


def test_the_worker_is_measured_once_for_each_codec() -> None:
    (worker,) = choose_programs(["worker"])
    none, zstd = by_codec(["none", "zstd"])
    assert (none.name, none.compression, zstd.name, zstd.compression) == (
        "worker_none",
        "none",
        "worker_zstd",
        "zstd",
    )
    assert {none.module, zstd.module} == {worker.module}


def test_an_unknown_codec_is_an_error_that_lists_the_known() -> None:
    with pytest.raises(BenchError, match=r"no codec is called lz5; there are .*lz4"):
        by_codec(["lz4", "lz5"])
