import importlib.util

import pytest

from bench.errors import BenchError
from bench.throughput.comparison import PROGRAMS, RATIO_PAIRS, choose_programs


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
