import pytest
import torch

from models.network.weights import INITIAL_LINEAGE, lineage_of_digest, trained_lineage

TENSORS = {"a": torch.tensor([[1.0, -2.0]]), "b": torch.tensor([0.5])}


def test_a_lineage_depends_on_names_shapes_and_numbers_alone() -> None:
    lineage = trained_lineage(TENSORS)
    assert lineage == trained_lineage({"b": TENSORS["b"].clone(), "a": TENSORS["a"].double().T.contiguous().T})
    others = [
        TENSORS | {"b": torch.tensor([0.5000001])},
        TENSORS | {"a": TENSORS["a"].flatten()},
        {"a": TENSORS["a"], "c": TENSORS["b"]},
        {"a": TENSORS["a"]},
    ]
    assert len({lineage, *map(trained_lineage, others)}) == 5


def test_a_lineage_is_the_same_on_every_machine() -> None:
    assert f"{trained_lineage(TENSORS):08x}" == "f85369ba"


@pytest.mark.parametrize(
    ("digest", "lineage"),
    [("00000000ff", 2), ("00000001ff", 3), ("00000002ff", 2), ("ffffffff00", 0xFFFFFFFF), ("0102030405", 0x01020304)],
)
def test_a_lineage_is_neither_unknown_nor_the_initial_one(digest: str, lineage: int) -> None:
    assert lineage_of_digest(bytes.fromhex(digest)) == lineage
    assert lineage not in (0, INITIAL_LINEAGE)
