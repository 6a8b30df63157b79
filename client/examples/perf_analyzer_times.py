"""First and last response of each request in an export of Triton's perf_analyzer, which prints only the last.

python client/examples/perf_analyzer_times.py out/stream.json
"""

import json
import sys
from pathlib import Path

import numpy as np


def times_ms(export: Path) -> dict[str, list[float]]:
    """Milliseconds from sending to the first and to the last response, of each request of the first load."""
    try:
        requests = json.loads(export.read_text(encoding="utf-8"))["experiments"][0]["requests"]
        return {
            name: [(request["response_timestamps"][place] - request["timestamp"]) / 1e6 for request in requests]
            for name, place in (("first response", 0), ("last response", -1))
        }
    except (json.JSONDecodeError, KeyError, IndexError, TypeError) as error:
        sys.exit(f"error: {export} is no export of perf_analyzer: {error!r}")


for name, found in times_ms(Path(sys.argv[1])).items():
    p50, p90, p99 = np.percentile(found, (50, 90, 99))
    print(f"{name:<14}  {len(found)} requests  p50 {p50:.1f} ms  p90 {p90:.1f} ms  p99 {p99:.1f} ms")
