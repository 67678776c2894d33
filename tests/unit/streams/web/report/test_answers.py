import socket

import pytest

from streams.web.report.answers import ReportError, ask_server


def test_a_server_that_is_not_there_is_an_error_that_says_what_to_start() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        with pytest.raises(ReportError, match=r"no server .* start `interest-stream web`"):
            ask_server(f"http://127.0.0.1:{taken.getsockname()[1]}", "", lambda done, total: None)
