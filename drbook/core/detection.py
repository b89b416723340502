"""When an incident was detected: what a person said, or what a step proved; anything else is unknown.

That a step came to its end proves nothing: a note, an answer or a count without a loss detected nothing.
"""

from drbook.core.remarks import TableVerdict
from drbook.core.results import COMPARE_BASELINE, PROBE, VerifyResult, read_result
from drbook.core.targets import DatabaseProbe
from drbook.core.values import Json


def proved(action: str, result: Json) -> str:
    """What the result of a step proves about production, in words; empty where it proves no incident."""
    if action == PROBE:
        probe = read_result(DatabaseProbe, result)
        if probe is not None and probe.diagnosis == "loss":
            return "a loss"
        return "that it does not answer" if probe and probe.state == "unreachable" else ""
    if action == COMPARE_BASELINE:
        counted = read_result(VerifyResult, result)
        # What is remarked of the whole says that the figures may be those of another database.
        sure = counted is not None and not counted.comparison.remarks
        tables = counted.comparison.tables if counted is not None and sure else ()
        return "a loss" if any(one.verdict is TableVerdict.FAIL for one in tables) else ""
    return ""
