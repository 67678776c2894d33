import pytest

from streams.cli.kafka import address_hint, local_port

DEFAULT = "127.0.0.1:9092"


def test_a_kafka_at_another_port_says_how_commands_get_there() -> None:
    export = "export INTEREST_KAFKA__BOOTSTRAP_SERVERS=127.0.0.1:21000"
    hint = address_hint("127.0.0.1:21000", DEFAULT, is_new=True)
    assert hint is not None
    assert hint.startswith("9092 is in use: Kafka listens at 127.0.0.1:21000; ")
    assert hint.endswith(export)
    later = address_hint("127.0.0.1:21000", DEFAULT, is_new=False)
    assert later is not None
    assert later.startswith("Kafka listens at 127.0.0.1:21000; ")
    assert address_hint(DEFAULT, DEFAULT, is_new=True) is None


def test_three_brokers_that_begin_at_9092_do_not_say_that_it_is_in_use() -> None:
    hint = address_hint("127.0.0.1:9092,127.0.0.1:21000,127.0.0.1:21001", DEFAULT, is_new=True)
    assert hint is not None
    assert hint.startswith("Kafka listens at ")


def test_the_settings_say_where_it_is_to_listen_and_where_commands_look() -> None:
    assert address_hint("127.0.0.1:21000", "localhost:21000", is_new=True) is None
    hint = address_hint(DEFAULT, "127.0.0.1:21000", is_new=False)  # it has got its port before
    assert hint is not None
    assert hint.endswith("export INTEREST_KAFKA__BOOTSTRAP_SERVERS=127.0.0.1:9092")


@pytest.mark.parametrize(
    ("bootstrap_servers", "port"),
    [("127.0.0.1:21000", 21000), ("localhost:21000,localhost:21001", 21000), ("kafka.example:9093", 9092)],
)
def test_only_a_port_of_this_machine_is_taken_from_the_settings(bootstrap_servers: str, port: int) -> None:
    assert local_port(bootstrap_servers) == port
