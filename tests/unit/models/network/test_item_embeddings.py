from dataclasses import replace

import numpy as np
import pytest
import torch

from models.config import ModelConfig
from models.items.content import ItemContent
from models.network.interest_network import InterestNetwork
from models.network.item_embeddings import ItemEmbeddings


@pytest.fixture
def network(config: ModelConfig) -> InterestNetwork:
    return InterestNetwork(config).requires_grad_(False)


def expected(network: InterestNetwork, content: ItemContent, rows: int) -> torch.Tensor:
    assert network.content is not None
    vectors = torch.from_numpy(content.rows(np.arange(rows)))
    return network.item[:rows] + vectors @ network.content.weight.T


def test_weight_is_the_item_table_itself_without_content(network: InterestNetwork, config: ModelConfig) -> None:
    embeddings = ItemEmbeddings(network, ItemContent(config))
    embeddings.refresh()
    assert embeddings.weight is network.item
    without = ItemEmbeddings(network, None)
    without.refresh()
    assert without.weight is network.item


def test_weight_adds_the_content_of_each_item(network: InterestNetwork, config: ModelConfig) -> None:
    content = ItemContent(config)
    embeddings = ItemEmbeddings(network, content)
    content.describe(3, "guitar", ())
    content.describe(900, "bass", ())
    embeddings.refresh()
    torch.testing.assert_close(embeddings.weight, expected(network, content, network.num_items))
    assert not torch.equal(embeddings.weight[3], network.item[3])
    undescribed = np.setdiff1d(np.arange(network.num_items), [3, 900])
    assert torch.equal(embeddings.weight[undescribed], network.item[undescribed])


def test_only_changed_rows_are_computed_again(network: InterestNetwork, config: ModelConfig) -> None:
    content = ItemContent(config)
    embeddings = ItemEmbeddings(network, content)
    content.describe(1, "guitar", ())
    content.describe(2, "bass", ())
    embeddings.refresh()
    embeddings.weight[1] = 7.0  # a mark: whoever computes the row again wipes it out
    assert content.encoder is not None
    content.review(np.array([2]), content.encoder.encode(["too loud"]))
    embeddings.refresh()
    assert (embeddings.weight[1] == 7).all()
    torch.testing.assert_close(embeddings.weight[2], expected(network, content, 3)[2])
    content.describe(1, "", ())
    embeddings.refresh()
    assert torch.equal(embeddings.weight[1], network.item[1])


def test_weight_grows_with_the_network(network: InterestNetwork, config: ModelConfig) -> None:
    content = ItemContent(config)
    embeddings = ItemEmbeddings(network, content)
    content.describe(1, "guitar", ())
    content.describe(1500, "bass", ())  # described before the network has a row for it
    embeddings.refresh()
    assert len(embeddings.weight) == 1024
    network.grow(2000)
    network.requires_grad_(False)
    embeddings.refresh()
    torch.testing.assert_close(embeddings.weight, expected(network, content, network.num_items))
    assert not torch.equal(embeddings.weight[1500], network.item[1500])


def test_more_items_than_a_block_are_all_computed(config: ModelConfig) -> None:
    network = InterestNetwork(replace(config, text="none", features=2), 20_000).requires_grad_(False)
    content = ItemContent(network.config)
    for item in range(1, 20_001):
        content.describe(item, "", (item / 100, -1))
    embeddings = ItemEmbeddings(network, content)
    embeddings.refresh()
    torch.testing.assert_close(embeddings.weight[:20_001], expected(network, content, 20_001))
