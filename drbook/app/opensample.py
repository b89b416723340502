"""Which of a runbook's sources have a key of their own, and what came of trying it."""

from collections.abc import Mapping

from drbook.core.auditreport import Opened
from drbook.core.gobag import keys_of
from drbook.core.runbook import Runbook
from drbook.providers import opensample, secrets
from drbook.providers.s3config import S3Place


def open_samples(runbook: Runbook, environment: Mapping[str, str]) -> tuple[Opened, ...]:
    """Every source that names a secret, or is opened with AWS's own; the others have no key to try."""
    secrets.know(runbook.source.decode("utf-8", "replace"), environment)
    named = {key.what for key in keys_of(runbook)}
    keyed = [
        one for one in runbook.sources if f"backup {one.id}" in named or isinstance(one, S3Place)
    ]
    return opensample.open_samples(keyed, secrets.reader(environment))
