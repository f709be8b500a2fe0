"""When a peer's connection is cut off: for what the peer does, never for what we do not read on."""

import time
from types import SimpleNamespace

from messaging.hl7.habits import FeedPolicy
from messaging.mllp.conversation import Conversation

BEGUN = b"\x0bMSH|^~\\&|half a frame"
POLICY = FeedPolicy(frame_seconds=5.0)


def test_a_frame_that_we_do_not_read_on_with_is_not_late():
    peer = Conversation(SimpleNamespace(policy=POLICY), "peer")  # type: ignore[arg-type]
    peer.framer.feed(BEGUN)
    now = time.monotonic()
    peer.begun_at = now - 6
    assert peer.overdue(now) == "its frame is not whole in time"
    peer.pause_writing()
    assert peer.overdue(now) is None
    assert peer.overdue(now + 6) == "it does not take its answers"
