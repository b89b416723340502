"""A home folder, an environment and a repository with planted credentials of known power, and a runbook."""

import base64
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

RUNBOOK = """
drbook: 1
title: Shop database lost
objectives: {{rpo: 24h}}
production:
  database: {{service: shop-prod}}
  domain: {{provider: railway, account: shop, resource: vol-1, credentials: [deploy-token, root-key]}}
credentials:
  deploy-token: {{stored_in: [laptops, "env:RAILWAY_API_TOKEN"]}}
  root-key: {{stored_in: ["file:{repo}/.github/workflows/deploy.yml#ADMIN_TOKEN"]}}
  backup-writer: {{stored_in: [backup-host, "profile:offsite"]}}
baselines: {{kind: directory, path: {baselines}}}
backups:
  - id: offsite
    kind: directory
    path: {backups}
    domain: {{provider: aws, account: backups, resource: offsite-disk, credentials: [{deleters}]}}
steps:
  - {{id: locate, phase: locate, do: backups.locate, with: {{check: quick, require: [resource, account]}}}}
"""

DUNNO, NO, YES = "unknown", "cannot", "destroys"


@dataclass
class Planted:
    """What was put where, with what each may destroy: production's data, and the copies."""

    root: Path
    values: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    powers: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    """By (kind, end of its place)."""

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def repo(self) -> Path:
        return self.root / "repo"

    def value(self, name: str, start: str = "", *, hard: bool = False) -> str:
        odd = "+/é=!" if hard else ""
        self.values[name] = f"{start}{secrets.token_hex(6)}{odd}{secrets.token_hex(6)}"
        return self.values[name]

    def put(self, path: Path, text: str, mode: int = 0o600) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def forms(self) -> Iterator[tuple[str, str]]:
        """Every value as it may be written somewhere, and its halves."""
        for name, value in self.values.items():
            bare = value.encode()
            for form in (
                value,
                value[: len(value) // 2],
                value[len(value) // 2 :],
                quote(value, safe=""),
                bare.hex(),
                *(
                    base64.b64encode(b"x" * before + bare).decode().rstrip("=")[4:-4]
                    for before in range(3)
                ),
            ):
                yield name, form

    def runbook(self, deleters: str = "backup-writer, root-key") -> Path:
        path = self.root / "shop.yaml"
        path.write_text(
            RUNBOOK.format(
                repo=self.repo,
                baselines=self.root / "baselines",
                backups=self.root / "backups",
                deleters=deleters,
            )
        )
        return path


def plant(root: Path) -> Planted:
    """Twenty credentials and more. The backups are one small file that begins like a dump."""
    made = Planted(root)
    home, repo = made.home, made.repo
    deploy = made.value("deploy")
    made.environment = {
        "HOME": str(home),
        "PATH": "/usr/bin:/bin",
        "RAILWAY_API_TOKEN": deploy,
        "RESTIC_PASSWORD": made.value("restic", hard=True),
        "PGSERVICEFILE": str(root / "services.conf"),
        "DRBOOK_HOME": str(root / "state"),
    }
    made.put(
        repo / "app" / ".env.production",
        f"DEBUG=1\nexport RAILWAY_TOKEN='{made.value('project')}'\n",
    )
    made.put(
        home / ".aws" / "credentials",
        "[offsite]\naws_access_key_id = AKIA"
        + "Q" * 16
        + f"\naws_secret_access_key = {made.value('writer', hard=True)}\n",
    )
    made.put(
        home / ".aws" / "config",
        "[profile old]\naws_access_key_id=ASIA"
        + "Q" * 16
        + f"\naws_secret_access_key={made.value('session')}\n",
    )
    made.put(
        home / ".pgpass",
        f"# mine\ndb.example:5432:shop:ops:{made.value('pgpass')}\n"
        f"*:*:*:night:{made.value('anywhere', hard=True)}\n"
        f"far.example:5432:*:ops:{made.value('nowhere')}\n",
        0o644,
    )
    made.put(
        repo / "app" / ".env.railway",
        f"DATABASE_URL=postgresql://postgres:{made.value('proxied')}@proxy.example:7777/railway\n"
        "PGHOST=db.example\nPGPORT=1\nPGUSER=app\nPGDATABASE=shop\n"
        f"PGPASSWORD='{made.value('beside-host', hard=True)}'\n",
    )
    made.put(
        repo / "app" / ".env.container",
        f"POSTGRES_USER=postgres\nPOSTGRES_PASSWORD={made.value('container')}\n"
        f"DSN=host=old.example user=ops dbname=shop password={made.value('conninfo')}\n",
    )
    made.put(
        repo / "app" / ".env.store",
        f"STORE_KEY_ID=store-writer\nSTORE_SECRET={made.value('store')}\n",
    )
    made.put(
        root / "services.conf",
        f"[shop-prod]\nhost=db.example\nport=1\nuser=ops\npassword={made.value('service')}\n",
    )
    made.put(home / ".railway" / "config.json", json.dumps({"user": {"token": deploy}}))
    made.put(home / ".netrc", f"machine git.example login me password {made.value('netrc')}\n")
    made.put(
        home / ".config" / "rclone" / "rclone.conf",
        f"[cold]\ntype = b2\nsecret_access_key = {made.value('rclone')}\n",
    )
    made.put(home / ".kube" / "config", f"users:\n- user:\n    token: {made.value('kube')}\n")
    made.put(
        repo / ".github" / "workflows" / "deploy.yml",
        f"env:\n  ADMIN_TOKEN: {made.value('root')}\n  OTHER_TOKEN: ${{{{ secrets.OTHER }}}}\n",
    )
    url = made.value("url")
    made.put(
        home / ".bash_history",
        f"ls\npsql postgres://ops:{quote(url)}@other.example/shop\n"
        f"PGPASSWORD={made.value('typed')} psql -h x\nmc alias --password {made.value('option')}\n",
    )
    made.put(root / "backups" / "a.dump", "PGDMP\x01\x10" + "x" * 2000)
    made.powers = {
        ("railway account or workspace token", "environment"): (YES, NO),
        ("restic password", "environment"): (DUNNO, DUNNO),
        ("railway project token", ".env.production:2"): (DUNNO, DUNNO),
        ("aws long-lived key", "credentials:3"): (NO, YES),
        ("aws session key", "config:3"): (DUNNO, DUNNO),
        ("postgres password", ".pgpass:2"): (DUNNO, DUNNO),
        ("postgres password", ".pgpass:3"): (DUNNO, DUNNO),
        ("postgres password", ".pgpass:4"): (DUNNO, DUNNO),
        ("postgres password", ".env.railway:1"): (DUNNO, DUNNO),
        ("postgres password", ".env.railway:6"): (DUNNO, DUNNO),
        ("postgres password", ".env.container:2"): (DUNNO, DUNNO),
        ("postgres password", ".env.container:3"): (DUNNO, DUNNO),
        ("s3 key", ".env.store:2"): (DUNNO, DUNNO),
        ("postgres password", "services.conf:5"): (DUNNO, DUNNO),
        ("railway login", "config.json"): (YES, NO),
        ("netrc password", ".netrc:1"): (DUNNO, DUNNO),
        ("rclone remote", "rclone.conf:3"): (DUNNO, DUNNO),
        ("kubernetes login", "config:3"): (DUNNO, DUNNO),
        ("secret by its name", "deploy.yml:2"): (YES, YES),
        ("postgres password", ".bash_history:2"): (DUNNO, DUNNO),
        ("postgres password", ".bash_history:3"): (DUNNO, DUNNO),
        ("secret in a command", ".bash_history:4"): (DUNNO, DUNNO),
    }
    return made
