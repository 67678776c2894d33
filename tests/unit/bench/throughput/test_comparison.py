import importlib.util

import pytest

from bench.errors import BenchError
from bench.throughput.comparison import CONTENDERS, PAIRS, choose


def test_every_contender_is_a_program_that_exists() -> None:
    for contender in CONTENDERS:
        assert importlib.util.find_spec(contender.module) is not None
        assert 0 < contender.share <= 1


def test_ratios_are_of_contenders() -> None:
    assert {name for pair in PAIRS for name in pair} <= {contender.name for contender in CONTENDERS}


def test_contenders_are_chosen_by_name_in_their_own_order() -> None:
    assert choose([]) == list(CONTENDERS)
    assert [contender.name for contender in choose(["floor", "idiomatic_faust"])] == ["idiomatic_faust", "floor"]


def test_an_unknown_contender_is_an_error_that_lists_the_known() -> None:
    with pytest.raises(BenchError, match=r"no program is called flor; there are .*floor"):
        choose(["flor"])
