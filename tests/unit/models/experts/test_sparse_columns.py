import torch

from models.experts.sparse_columns import SparseColumns


def sparse() -> tuple[SparseColumns, torch.Tensor, torch.Tensor]:
    """Columns with duplicates, values [2, 3, 4] of them, and the same values as dense rows [2, 3, 6]."""
    index = torch.tensor([[1, 5, 1, 0], [2, 2, 2, 3], [0, 0, 0, 0]])
    dense = torch.rand(2, 3, 6, generator=torch.Generator().manual_seed(0))
    dense = torch.zeros_like(dense).scatter(2, index.expand(2, -1, -1), dense)
    return SparseColumns(index), dense.gather(2, index.expand(2, -1, -1)), dense


def test_gathered_values_are_those_of_the_columns() -> None:
    columns, _, dense = sparse()
    assert columns.index is not None
    torch.testing.assert_close(columns.gather(dense[0]), dense[0].gather(1, columns.index))
    torch.testing.assert_close(columns.gather(dense[0, 0]), dense[0, 0][columns.index])
    assert SparseColumns(None).gather(dense) is dense


def test_duplicate_columns_are_added_once() -> None:
    columns, values, dense = sparse()
    weight = torch.tensor([2.0, -3.0]).view(2, 1, 1).expand(2, 3, 1)
    rows, expected = torch.ones(3, 6), 1 + 2 * dense[0] - 3 * dense[1]
    for form, form_values in ((columns, values), (SparseColumns(None), dense)):
        result = rows.clone()
        form.add_to(result, form_values, weight)
        torch.testing.assert_close(result, expected)


def test_lookup_and_mean_are_those_of_the_dense_rows() -> None:
    columns, values, dense = sparse()
    p = torch.rand(3, 6, generator=torch.Generator().manual_seed(1)).softmax(1)
    for form, form_values in ((columns, values), (SparseColumns(None), dense)):
        torch.testing.assert_close(form.mean(form_values, p), (dense * p).sum(2))
        for item in range(6):
            result = form.lookup(form_values, torch.full((3,), item))
            torch.testing.assert_close(result, dense[:, :, item])
