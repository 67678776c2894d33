import numpy as np
import pytest
import torch

from models.config import ModelConfig
from models.experts.candidates import Candidates, CandidateSizes, largest
from models.items.vocabulary import ItemVocabulary
from models.network.interest_network import InterestNetwork

_CPU = torch.device("cpu")


def test_blocks_do_not_change_the_result(config: ModelConfig, items: ItemVocabulary) -> None:
    network = InterestNetwork(config).requires_grad_(False)
    interest = torch.randn(17, config.embedding_dim, generator=torch.Generator().manual_seed(0))
    seen = np.random.default_rng(0).integers(0, 256, (17, 8), dtype=np.uint8)
    candidates = Candidates(items, _CPU)
    candidates.refresh()
    ((rows, one_block, _),) = candidates.scores(network, network.item, interest, seen, candidates.known)
    assert (rows.start, len(one_block)) == (0, 17)
    in_blocks = Candidates(items, _CPU, CandidateSizes(block_scores=31 * 4, min_block=1))
    in_blocks.refresh()
    blocks = [scores for _, scores, _ in in_blocks.scores(network, network.item, interest, seen, in_blocks.known)]
    assert len(blocks) == 5
    torch.testing.assert_close(torch.cat(blocks), one_block)


def test_sparse_categories_are_the_dense_ones(items: ItemVocabulary) -> None:
    p = torch.randn(3, 31, generator=torch.Generator().manual_seed(0)).softmax(1)
    dense, sparse = Candidates(items, _CPU), Candidates(items, _CPU, CandidateSizes(dense_cells=0))
    dense.refresh()
    sparse.refresh()
    (category, category_p), (sparse_category, sparse_category_p) = dense.categories(p, 4), sparse.categories(p, 4)
    assert torch.equal(category, sparse_category)
    torch.testing.assert_close(category_p, sparse_category_p)


def test_bitmap_smaller_than_the_vocabulary_repeats(config: ModelConfig, items: ItemVocabulary) -> None:
    network = InterestNetwork(config).requires_grad_(False)
    candidates = Candidates(items, _CPU)
    candidates.refresh()
    seen = np.array([[0b00100001]], dtype=np.uint8)  # 8 bits, 30 items: 0 and 5 stand for 8, 16, 24 and 13, 21, 29, too
    interest = torch.zeros(1, config.embedding_dim)
    _, scores, mask = next(candidates.scores(network, network.item, interest, seen, candidates.known))
    assert torch.nonzero(mask[0] == 0).ravel().tolist() == [0, 5, 8, 13, 16, 21, 24, 29]
    assert torch.nonzero(scores[0].softmax(0) == 0).ravel().tolist() == [0, 5, 8, 13, 16, 21, 24, 29]


def test_only_known_items_are_scored(config: ModelConfig, items: ItemVocabulary) -> None:
    candidates = Candidates(items, _CPU)
    candidates.refresh()
    items.forget("i8")
    candidates.refresh()
    network = InterestNetwork(config).requires_grad_(False)
    _, scores, mask = next(candidates.scores(network, network.item, torch.zeros(2, config.embedding_dim), None, 12))
    assert scores.shape == (2, 13)
    assert torch.nonzero(mask[0] == 0).ravel().tolist() == [0, 9]
    assert torch.nonzero(scores[1].softmax(0) == 0).ravel().tolist() == [0, 9]


@pytest.mark.parametrize("width", [1, 31, 1000, 5003])
@pytest.mark.parametrize("count", [1, 10])
def test_largest_are_those_of_topk(width: int, count: int) -> None:
    count = min(count, width)
    p = torch.rand(4, width, generator=torch.Generator().manual_seed(0))
    p[1] = p[1].round(decimals=1)  # ties
    p[2, : width // 2] = 0
    value, column = largest(p, count)
    torch.testing.assert_close(value, p.topk(count, 1).values)
    torch.testing.assert_close(p.gather(1, column), value)
    assert all(len(set(row)) == count for row in column.tolist())


def test_items_without_category_belong_to_none() -> None:
    items = ItemVocabulary(10)
    items.describe("a", "", ["x"])
    for name in "abcd":
        items.add(name)
    candidates = Candidates(items, _CPU)
    candidates.refresh()
    category, category_p = candidates.categories(torch.tensor([[0, 0.25, 0.25, 0.25, 0.25]]), 3)
    assert category.tolist() == [[0, -1, -1]]
    assert category_p[0].tolist() == pytest.approx([0.25, 0, 0])
