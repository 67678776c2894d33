from pathlib import Path

import pytest

from streams.files.event_logs import read_events
from streams.files.formats.delimited import MISSING_CELLS
from streams.files.formats.log_error import LogError
from streams.files.item_files import read_items
from tests.unit.streams.files.logs import triples, write

HEADER = "user,item,time,rating,text\n"


@pytest.mark.parametrize("cell", sorted(MISSING_CELLS))
def test_what_means_that_there_is_no_value_is_no_id(tmp_path: Path, cell: str) -> None:
    path = write(tmp_path, "a.csv", f"{HEADER}{cell},i,1700000000,4,t\nu,{cell},1700000000,4,t\nu,i,1700000000,4,t\n")
    with pytest.raises(LogError, match=r"a\.csv:2: the user is empty; --skip-bad"):
        triples(path)
    assert triples(path, skip_bad=True) == [("u", "i", 1_700_000_000)]


def test_a_missing_value_costs_nothing_and_a_text_is_taken_as_it_is(tmp_path: Path) -> None:
    (event,) = read_events(write(tmp_path, "a.csv", f"{HEADER}u,i,1700000000,NaN,NA\n")).events
    assert (event.value, event.text, event.event_type) == (None, "NA", "review")


def test_strings_of_json_are_ids_whatever_they_are(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", '{"user": "None", "item": "NA", "time": 1700000000}\n')
    assert triples(path) == [("None", "NA", 1_700_000_000)]


def test_a_catalog_s_item_without_an_id_is_named(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="the item's id is empty"):
        read_items(write(tmp_path, "items.csv", "item_id,title\nNULL,Heat\n"))
