"""Put this folder on PYTHONPATH, and Python starts as if the extra ``local-ai`` were not installed."""

import sys

sys.modules["xllamacpp"] = None  # type: ignore[assignment] # how the import system says "not to be found"
