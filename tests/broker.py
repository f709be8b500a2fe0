"""Whether Celery and its broker run for the tests: `PASMIRROR_TESTS_BROKER=none` says that neither does.

Then no Valkey is started, no worker runs, and every ring of the bell is refused: what is due is found by the sweep from
the database alone. Tests about the broker itself are marked `broker`, with the reason, and are left out. Knows no
product; `make test-without-broker` runs the outbound tests so.
"""

import os
import tempfile
from pathlib import Path

WITHOUT_BROKER = os.environ.get("PASMIRROR_TESTS_BROKER") == "none"
NOBODY = f"redis+socket://{Path(tempfile.gettempdir()) / 'nobody-is-here' / 'broker.sock'}"
"""An address at which no broker is: every connection is refused."""
SENDER = "sweep" if WITHOUT_BROKER else "work"
"""The process that sends first: the worker on a wake, or else the sweep."""
