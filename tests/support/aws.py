"""A place that answers like AWS (moto, over HTTP on the loopback), and answers held to botocore's own models."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any

import boto3
import botocore.session
import httpx
from botocore.validate import ParamValidator

from drbook.core.points import FailureDomain
from drbook.providers.awskept import Asked

REGION = "eu-central-1"
ACCOUNT = "123456789012"
"""Moto's own."""
ENVIRONMENT = {"KEY": "AKIAEXAMPLE", "SECRET": "a-secret-for-a-test"}
AT = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
ASKED = Asked("aws", FailureDomain(provider="aws"), REGION)


def arn(service: str, rest: str, account: str = ACCOUNT, region: str = REGION) -> str:
    return f"arn:aws:{service}:{region}:{account}:{rest}"


@contextmanager
def moto() -> Iterator[str]:
    """The address of a server with an empty account."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    endpoint = f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    try:
        # What an earlier server of this process was told is still there.
        httpx.post(f"{endpoint}/moto-api/reset").raise_for_status()
        yield endpoint
    finally:
        server.stop()


def operator(endpoint: str, service: str) -> Any:
    """A client without any guard, which fills the account."""
    return boto3.client(  # type: ignore[call-overload]
        service,
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id="operator",
        aws_secret_access_key="operator",
    )


def entry(endpoint: str, **more: object) -> dict[str, object]:
    """The fields of a source that is asked there."""
    return {
        "id": "aws", "endpoint": endpoint, "regions": [REGION],
        "access_key": "env:KEY", "secret_key": "env:SECRET",
    } | more  # fmt: skip


@cache
def model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def shaped(service: str, operation: str, answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """The answer, if botocore's model of that operation allows it."""
    shape = model(service).operation_model(operation).output_shape
    report = ParamValidator().validate(answer, shape)
    assert not report.has_errors(), report.generate_report()
    return answer


def a_shop(endpoint: str) -> str:
    """An instance and a cluster of PostgreSQL, one of MySQL, and a volume with snapshots; the volume's id."""
    rds, ec2 = operator(endpoint, "rds"), operator(endpoint, "ec2")
    login = {"MasterUsername": "shop", "MasterUserPassword": "a-word-for-a-test"}
    for name, engine in (("shop", "postgres"), ("blog", "mysql")):
        rds.create_db_instance(
            DBInstanceIdentifier=name, Engine=engine, EngineVersion="15.4", AllocatedStorage=20,
            DBInstanceClass="db.t3.micro", BackupRetentionPeriod=7, **login,
        )  # fmt: skip
    rds.create_db_cluster(
        DBClusterIdentifier="fleet", Engine="aurora-postgresql", EngineVersion="15.4", **login
    )
    for name in ("first", "second"):
        rds.create_db_snapshot(DBSnapshotIdentifier=name, DBInstanceIdentifier="shop")
    rds.create_db_snapshot(DBSnapshotIdentifier="others", DBInstanceIdentifier="blog")
    rds.create_db_cluster_snapshot(DBClusterSnapshotIdentifier="c1", DBClusterIdentifier="fleet")
    return str(ec2.create_volume(AvailabilityZone=f"{REGION}a", Size=10)["VolumeId"])
