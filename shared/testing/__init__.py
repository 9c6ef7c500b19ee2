"""For tests of task types, yours too: a run that records what a handler says and answers what it asks for.

    run = FakeRun(tmp_path)
    ended = attempt(resize, run, {"file_id": run.files.put("cat.png", PIXELS).id, "width": 64})
    assert ended.status == "COMPLETED"

No server, no network, no waiting. Nothing of the service imports this.
"""

from shared.testing.attempts import Ended, attempt
from shared.testing.run import FakeRun

__all__ = ["Ended", "FakeRun", "attempt"]
