from bench.machine import machine_info


def test_the_machine_has_cores_memory_and_versions() -> None:
    machine = machine_info()
    assert int(machine["cores"]) >= 1
    assert int(machine["memory_mib"]) > 0
    assert {"processor", "system", "python", "torch", "aiokafka"} <= machine.keys()
