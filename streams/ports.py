"""Ports on loopback for brokers and workers, reserved until those listen."""

import os
import random
import socket
from pathlib import Path

from streams.errors import KafkaStartError


def reserve_ports(count: int, first: int | None) -> tuple[list[int], list[int]]:
    """Ports that nobody listens on, outside the ephemeral range, with their reservations; `first` first, if it is free.

    Outgoing connections use the ephemeral range, and could take a port while its broker is down.
    """
    ports: list[int] = []
    reservations: list[int] = []
    for port in [*([] if first is None else [first]), *_candidate_ports()]:
        reservation = None if port in ports else _reserve(port)
        if reservation is None:
            continue
        ports.append(port)
        reservations.append(reservation)
        if len(ports) == count:
            return ports, reservations
    release_ports(reservations)
    raise KafkaStartError(
        f"No {count} free ports outside the ephemeral range: stop a program that listens on this machine."
    )


def _reserve(port: int) -> int | None:
    """A descriptor that reserves the port until it is closed; None where the port is in use or reserved.

    It is bound to the UDP port of the same number: Kafka listens on TCP only, and the kernel ends the reservation with
    this process. Without it, a Kafka that starts at the same time could choose the port before the broker listens.
    """
    with socket.socket(type=socket.SOCK_DGRAM) as reservation, socket.socket() as probe:
        try:
            reservation.bind(("127.0.0.1", port))
            probe.bind(("127.0.0.1", port))
        except OSError:
            return None
        return reservation.detach()


def release_ports(descriptors: list[int]) -> None:
    """End the reservations."""
    for descriptor in descriptors:
        os.close(descriptor)


def _candidate_ports() -> list[int]:
    """Ports outside the ephemeral range in random order, so that concurrent starts try different ones."""
    low, high = 32_768, 65_535
    ephemeral = Path("/proc/sys/net/ipv4/ip_local_port_range")
    if ephemeral.is_file():
        low, high = map(int, ephemeral.read_text().split())
    ports = [port for port in range(20_000, 65_536) if not low <= port <= high] or list(range(10_000, 20_000))
    random.SystemRandom().shuffle(ports)  # not `random`, which tests seed alike in every process
    return ports
