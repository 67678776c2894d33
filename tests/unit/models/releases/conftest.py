import pytest

from models.config import ModelConfig
from models.items.vocabulary import ItemVocabulary
from tests.unit.models.releases.cluster import Cluster


@pytest.fixture
def cluster(config: ModelConfig, items: ItemVocabulary) -> Cluster:
    return Cluster(config, items)
