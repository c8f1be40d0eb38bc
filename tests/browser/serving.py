"""A dashboard on this machine, for as long as a test looks at it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def dashboard_of(url: str, **options: Any) -> Iterator[str]:
    """The address of a dashboard that looks for news every second."""
    from werkzeug.serving import make_server

    from analysis.pages.dashboard import make_app

    server = make_server(
        "127.0.0.1", 0, make_app(url, seconds=1.0, **options).server, threaded=True
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:  # a thread that goes on would keep a failed test run from ending
        server.shutdown()
        thread.join()
        server.server_close()
