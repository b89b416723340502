"""A session at AWS that can do nothing but what it is allowed to, and in nobody's name but the runbook's."""

from __future__ import annotations

import boto3
import botocore.session

from drbook.providers.awsaccess import AwsAccess
from drbook.providers.hiding import KNOWN
from drbook.providers.s3answers import CarefulParsers
from drbook.providers.s3guard import Allowed, guard
from drbook.providers.s3own import OwnObject
from drbook.providers.secrets import Secrets


def guarded(
    access: AwsAccess,
    region: str | None,
    secrets: Secrets,
    allowed: Allowed,
    writes_to: tuple[str, str] | None = None,
    own: OwnObject | None = None,
) -> boto3.Session:
    """A session for the given region, else for what its profile says.

    Raises UsageError where a secret cannot be read, botocore's ProfileNotFound or PartialCredentialsError
    where the profile is of no use. Sends nothing.
    """
    core = botocore.session.Session(profile=access.profile)
    if access.profile is None:
        # Only what the runbook or the operator's own files say, never the machine's identity.
        core.set_config_variable("metadata_service_num_attempts", 0)
        resolver = core.get_component("credential_provider")
        for name in ("iam-role", "container-role"):
            resolver.remove(name)
    core.register_component("response_parser_factory", CarefulParsers())
    guard(core, allowed, writes_to=writes_to, endpoint=access.endpoint, own=own)
    keys = {
        name: secrets(reference).reveal()
        for name, reference in (
            ("aws_access_key_id", access.access_key),
            ("aws_secret_access_key", access.secret_key),
            ("aws_session_token", access.session_token),
        )
        if reference is not None
    }
    session = boto3.Session(botocore_session=core, region_name=region, **keys)

    def know_credentials(**_: object) -> None:
        """What a profile, a role or a sign-in gave is not to be repeated either. They are fetched here
        a moment before the request would have fetched them."""
        found = session.get_credentials()
        if found is not None:
            held = found.get_frozen_credentials()
            for value in (held.access_key, held.secret_key, held.token):
                if value:
                    KNOWN.add(value)

    core.get_component("event_emitter").register("before-call", know_credentials)
    return session
