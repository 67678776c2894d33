from streams.cli.kafka import address_hint


def test_a_kafka_at_another_port_says_how_commands_get_there() -> None:
    export = "export INTEREST_KAFKA__BOOTSTRAP_SERVERS=127.0.0.1:21000"
    hint = address_hint("127.0.0.1:21000", is_new=True)
    assert hint is not None
    assert hint.startswith("9092 is in use: Kafka listens at 127.0.0.1:21000; ")
    assert hint.endswith(export)
    later = address_hint("127.0.0.1:21000", is_new=False)
    assert later is not None
    assert later.startswith("Kafka listens at 127.0.0.1:21000; ")
    assert address_hint("127.0.0.1:9092", is_new=True) is None


def test_three_brokers_that_begin_at_9092_do_not_say_that_it_is_in_use() -> None:
    hint = address_hint("127.0.0.1:9092,127.0.0.1:21000,127.0.0.1:21001", is_new=True)
    assert hint is not None
    assert hint.startswith("Kafka listens at ")
