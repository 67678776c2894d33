import torch

from models.experts.sparse_columns import SparseColumns


def sparse() -> tuple[SparseColumns, torch.Tensor, torch.Tensor]:
    """Places with doubles, numbers [2, 3, 4] at them, and the same numbers for all 6 items."""
    at = torch.tensor([[1, 5, 1, 0], [2, 2, 2, 3], [0, 0, 0, 0]])
    everywhere = torch.rand(2, 3, 6, generator=torch.Generator().manual_seed(0))
    everywhere = torch.zeros_like(everywhere).scatter(2, at.expand(2, -1, -1), everywhere)
    return SparseColumns(at), everywhere.gather(2, at.expand(2, -1, -1)), everywhere


def test_what_is_picked_lies_at_the_places() -> None:
    places, _, everywhere = sparse()
    assert places.at is not None
    torch.testing.assert_close(places.pick(everywhere[0]), everywhere[0].gather(1, places.at))
    torch.testing.assert_close(places.pick(everywhere[0, 0]), everywhere[0, 0][places.at])
    assert SparseColumns(None).pick(everywhere) is everywhere


def test_places_that_come_twice_count_once() -> None:
    places, number, everywhere = sparse()
    weight = torch.tensor([2.0, -3.0]).view(2, 1, 1).expand(2, 3, 1)
    rows, expected = torch.ones(3, 6), 1 + 2 * everywhere[0] - 3 * everywhere[1]
    for each, numbers in ((places, number), (SparseColumns(None), everywhere)):
        found = rows.clone()
        each.add(found, numbers, weight)
        torch.testing.assert_close(found, expected)


def test_one_item_and_means_are_those_of_all_items() -> None:
    places, number, everywhere = sparse()
    p = torch.rand(3, 6, generator=torch.Generator().manual_seed(1)).softmax(1)
    for each, numbers in ((places, number), (SparseColumns(None), everywhere)):
        torch.testing.assert_close(each.mean(numbers, p), (everywhere * p).sum(2))
        for item in range(6):
            found = each.of(numbers, torch.full((3,), item))
            torch.testing.assert_close(found, everywhere[:, :, item])
