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
    said = torch.from_numpy(content.rows(np.arange(rows)))
    return network.item[:rows] + said @ network.content.weight.T


def test_table_is_e_itself_while_nothing_is_said(network: InterestNetwork, config: ModelConfig) -> None:
    table = ItemEmbeddings(network, ItemContent(config))
    table.refresh()
    assert table.rows is network.item
    without = ItemEmbeddings(network, None)
    without.refresh()
    assert without.rows is network.item


def test_table_is_e_and_the_content_of_each_item(network: InterestNetwork, config: ModelConfig) -> None:
    content = ItemContent(config)
    table = ItemEmbeddings(network, content)
    content.describe(3, "guitar", ())
    content.describe(900, "bass", ())
    table.refresh()
    torch.testing.assert_close(table.rows, expected(network, content, network.rows))
    assert not torch.equal(table.rows[3], network.item[3])
    undescribed = np.setdiff1d(np.arange(network.rows), [3, 900])
    assert torch.equal(table.rows[undescribed], network.item[undescribed])


def test_only_what_changed_is_computed_anew(network: InterestNetwork, config: ModelConfig) -> None:
    content = ItemContent(config)
    table = ItemEmbeddings(network, content)
    content.describe(1, "guitar", ())
    content.describe(2, "bass", ())
    table.refresh()
    table.rows[1] = 7.0  # a mark: whoever computes the row again wipes it out
    assert content.encoder is not None
    content.review(np.array([2]), content.encoder.encode(["too loud"]))
    table.refresh()
    assert (table.rows[1] == 7).all()
    torch.testing.assert_close(table.rows[2], expected(network, content, 3)[2])
    content.describe(1, "", ())
    table.refresh()
    assert torch.equal(table.rows[1], network.item[1])


def test_table_grows_with_the_network(network: InterestNetwork, config: ModelConfig) -> None:
    content = ItemContent(config)
    table = ItemEmbeddings(network, content)
    content.describe(1, "guitar", ())
    content.describe(1500, "bass", ())  # described before the network has a row for it
    table.refresh()
    assert len(table.rows) == 1024
    network.grow(2000)
    network.requires_grad_(False)
    table.refresh()
    torch.testing.assert_close(table.rows, expected(network, content, network.rows))
    assert not torch.equal(table.rows[1500], network.item[1500])


def test_more_items_than_a_block_are_all_there(config: ModelConfig) -> None:
    network = InterestNetwork(replace(config, text="none", features=2), 20_000).requires_grad_(False)
    content = ItemContent(network.config)
    for item in range(1, 20_001):
        content.describe(item, "", (item / 100, -1))
    table = ItemEmbeddings(network, content)
    table.refresh()
    torch.testing.assert_close(table.rows[:20_001], expected(network, content, 20_001))
