import orjson
import pytest

from streams.errors import SettingsError
from streams.settings.settings import load_settings
from streams.worker.formats import JSON_ALONE, connect_formats
from tests.registry_server import RegistryServer, serving


async def test_json_alone_without_a_registry() -> None:
    assert await connect_formats(load_settings()) == JSON_ALONE
    with pytest.raises(SettingsError, match=r"predictions\.format=avro needs registry\.url"):
        await connect_formats(load_settings(None, ["predictions.format=avro"]))


async def test_predictions_are_avro_only_where_that_is_set() -> None:
    with serving(RegistryServer()) as server:
        formats = await connect_formats(load_settings(None, [f"registry.url={server.url}"]))
        assert formats.registry is not None
        assert formats.dump_prediction is orjson.dumps
        assert server.subjects == {}
        formats = await connect_formats(load_settings(None, [f"registry.url={server.url}", "predictions.format=avro"]))
        assert formats.dump_prediction is not orjson.dumps
        assert server.subjects == {"interest-predictions-value": [1]}
