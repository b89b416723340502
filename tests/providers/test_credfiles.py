"""Finding credentials: formats by tables, what is no credential, and the bounds of the search."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from drbook.providers import credfiles, credparse, credvalues
from drbook.providers.credfiles import Search
from drbook.providers.credvalues import Spotted
from drbook.providers.hiding import scrub

Parser = Callable[[str], Iterable[Spotted]]

FORMATS: list[tuple[str, Parser, str, list[tuple[str, str, int | None]]]] = [
    ("dotenv", credparse.assignments, "A=1\nexport DB_PASSWORD='a b' # x\n", [("DB_PASSWORD", "a b", 2)]),
    ("comment behind", credparse.assignments, "API_TOKEN=abcdefgh # mine", [("API_TOKEN", "abcdefgh", 1)]),
    ("named twice", credparse.assignments, "MY_TOKEN=firstone\nMY_TOKEN=secondone", [("MY_TOKEN", "firstone", 1), ("MY_TOKEN", "secondone", 2)]),
    ("yaml", credparse.assignments, "  - SECRET_KEY: \"qqqq\\\"wwww\"\n  token: ${{ secrets.X }}", [("SECRET_KEY", "qqqq\"wwww", 1)]),
    ("url", credparse.assignments, "DATABASE_URL=postgres://u:p%40ss@h:1/d", [("DATABASE_URL", "p@ss", 1)]),
    ("url with a bare @", credparse.assignments, "X=postgres://u:p@ss/w@h/d", [("X", "p@ss/w", 1)]),
    ("url without a host", credparse.assignments, "DSN=postgresql://u:topsecret@/d?host=/run", [("DSN", "topsecret", 1)]),
    ("conninfo", credparse.assignments, "X='host=h password=topsecret'", [("X", "topsecret", 1)]),
    ("by its shape", credparse.assignments, "X=ghp_" + "a" * 36, [("X", "ghp_" + "a" * 36, 1)]),
    ("pgpass", credparse.pgpass, "#c\nh:5:d:u:a\\:b\nbroken:line\n*:*:*:*:z", [("", "a:b", 2), ("", "z", 4)]),
    ("service", credparse.services, "[s]\nhost=h\n#password=no\npassword=p w", [("s", "p w", 4)]),
    ("aws", credparse.aws, "[a]\naws_access_key_id=AKIA\naws_secret_access_key=s=1\n[b]\nregion=x", [("a", "s=1", 3)]),
    ("netrc in a line", credparse.netrc, "machine h login l password p", [("", "p", 1)]),
    ("netrc over lines", credparse.netrc, "machine h\n  login l\n  password p", [("", "p", 3)]),
    ("rclone", credparse.rclone, "[r]\ntype=x\npass = o=\n", [("r", "o=", 3)]),
    ("kube", credparse.kube, "  token: 'abc'\n- password: d\nname: e", [("token", "abc", 1), ("password", "d", 2)]),
    ("railway", credparse.railway, '{"projects": {"p": {"name": "n"}}, "user": {"accessToken": "t"}}', [("accessToken", "t", None)]),
    ("railway, no JSON", credparse.railway, "{", []),
    ("railway, nested deeply", credparse.railway, "[" * 200_000, []),
    ("railway, cut", credparse.railway, '{"user": {"accessToken": "abcdefghij"}, "x', [("accessToken", "abcdefghij", None)]),
    ("yaml in a line", credparse.assignments, "env: {RAILWAY_TOKEN: abcdefgh, DB: 'postgres://u:p%40ss@h:1/d'}", [("RAILWAY_TOKEN", "abcdefgh", 1), ("DB", "p@ss", 1)]),
    ("yaml over lines", credparse.assignments, "a:\n  API_TOKEN: >-\n    abcdefgh\n  x: y\n", [("API_TOKEN", "abcdefgh", 2)]),
    ("json by lines", credparse.assignments, '{\n  "secretAccessKey": "abcdefgh",\n', [("secretAccessKey", "abcdefgh", 2)]),
    ("url, password behind it", credparse.assignments, "U=postgres://u@h/d?sslmode=prefer&password=abc%20d", [("U", "abc d", 1)]),
    ("azure", credparse.assignments, "X_STRING=DefaultEndpointsProtocol=https;AccountKey=" + "a" * 30, [("X_STRING", "DefaultEndpointsProtocol=https;AccountKey=" + "a" * 30, 1)]),
    ("history, a header", credparse.history, "curl -H 'Authorization: Bearer abcdefgh'", [("authorization", "abcdefgh", 1)]),
    ("history, aws", credparse.history, "aws configure set aws_secret_access_key abcdefgh", [("secret_access_key", "abcdefgh", 1)]),
    ("history, mysql", credparse.history, "mysql -u root -pabcdef shop", [("-p", "abcdef", 1)]),
    ("history", credparse.history, ": 17:0;PGPASSWORD=abc psql", [("PGPASSWORD", "abc", 1)]),
    ("history, an option", credparse.history, "x --token=abc --name y", [("--token", "abc", 1)]),
    ("history, a variable is no value", credparse.history, "x --token=$T --password \"$P\"", []),
    ("pem", credvalues.private_keys, "x\n-----BEGIN EC PRIVATE KEY-----\nabc\n-----END", [("", "-----BEGIN EC PRIVATE KEY-----\nabc\n", 2)]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("why", "parser", "text", "expected"), FORMATS, ids=[row[0] for row in FORMATS]
)
def test_format(
    why: str, parser: Parser, text: str, expected: list[tuple[str, str, int | None]]
) -> None:
    assert [(one.name, one.value, one.line) for one in taken(parser, text)[0]] == expected


@pytest.mark.parametrize("parser", dict.fromkeys(row[1] for row in FORMATS))
@pytest.mark.parametrize(
    "text", ["", "\0" * 50, "=\n:\n[\n]\n[]", "\ufffd" * 99, "a=b" * 999, "[x" * 999]
)
def test_nothing_is_found_in_noise_and_nothing_raises(parser: Parser, text: str) -> None:
    assert taken(parser, text)[0] == []


def taken(parser: Parser, text: str) -> tuple[list[Spotted], str]:
    """What it spotted, and what it says of the rest."""
    found: list[Spotted] = []
    try:
        for each in parser(text):
            found.append(each)
    except credparse.Broken as error:
        return found, str(error)
    return found, ""


@pytest.mark.parametrize(
    ("name", "data", "found", "words"),
    [
        (".railway/config.json", b'{"user": {"token": "abcdefghij"}, "projects": ', 1, "no whole JSON"),
        (".env", "DATABASE_URL=postgres://u:topsecret@h/d".encode("utf-16"), 1, ""),
        (".env", b"API_TOKEN=abcdefgh\n\0\0\0", 1, "it is no text"),
        (".pgpass", b"h:1:d:u:topsecret\nno entry\n", 1, "line 2 is no entry of a password file"),
        (".pgpass", b"h:1:d:u:topsecret\n\n# c\n", 1, ""),
    ],
)  # fmt: skip
def test_what_is_understood_in_part_is_found_and_the_rest_is_said(
    tmp_path: Path, name: str, data: bytes, found: int, words: str
) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    search = Search({"HOME": str(tmp_path)})
    search.run([], tmp_path)
    assert len(search.found) == found
    assert any(words in each for each in search.left_out) if words else not search.left_out


ORDINARY = [
    ("PWD", "/home/someone"),
    ("OLDPWD", "/somewhere"),
    ("PATH", "/usr/bin:/bin"),
    ("LANG", "en_GB.UTF-8"),
]
ORDINARY += [
    ("PUBLIC_KEY", "abcdefghijkl"),
    ("key", "cache-v1-linux"),
    ("API_TOKEN", "${TOKEN}"),
    ("A_TOKEN", "true"),
]
ORDINARY += [
    ("DATABASE_URL", "postgres://u@h/d"),
    ("AWS_ACCESS_KEY_ID", "AKIA" + "Q" * 16),
    ("TOKEN_COUNT", "12345678"),
]


@pytest.mark.parametrize(("name", "value"), ORDINARY)
def test_what_is_no_credential(name: str, value: str) -> None:
    assert credvalues.variable(name, value) is None


@pytest.mark.parametrize(
    ("key_id", "kind"),
    [
        ("AKIA" + "Q" * 16, "aws long-lived key"),
        ("ASIA" + "Q" * 16, "aws session key"),
        ("minio", "s3 key"),
    ],
)
def test_a_key_id_tells_the_kind(key_id: str, kind: str) -> None:
    for secret, beside in (
        ("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"),
        ("OFFSITE_SECRET", "OFFSITE_KEY_ID"),
    ):
        (one,) = credvalues.variables({secret: "s" * 20, beside: key_id})
        assert (one.kind, one.key_id) == (kind, key_id)


def search(home: Path, *paths: Path, **environment: str) -> Search:
    made = Search({"HOME": str(home), **environment})
    made.run(paths, home)
    return made


def test_equal_values_have_equal_fingerprints_within_one_search_only(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A_TOKEN=samesame1\nB_TOKEN=samesame1\nC_TOKEN=otherone2\n")
    first = [one.fingerprint for one in search(tmp_path).found]
    second = [one.fingerprint for one in search(tmp_path).found]
    assert first[0] == first[1] != first[2]
    assert set(first).isdisjoint(second)


def test_what_was_found_is_masked_from_then_on(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A_TOKEN=qwertz-1234567890\n")
    made = search(tmp_path)
    assert "qwertz" not in scrub("it is qwertz-1234567890")
    assert "qwertz" not in repr(made)


def test_links_pipes_and_folders_behind_links_are_not_read(tmp_path: Path) -> None:
    home, real = tmp_path / "home", tmp_path / "real"
    home.mkdir()
    real.mkdir()
    (real / "credentials").write_text("[a]\naws_secret_access_key=abcdefgh\n")
    (home / ".aws").symlink_to(real)
    (home / ".pgpass").symlink_to(real / "credentials")
    os.mkfifo(home / ".netrc")
    made = search(home)
    assert made.found == []
    assert [each.split(": ")[0].rsplit("/", 1)[1] for each in made.left_out] == [
        *("credentials", "config", ".pgpass", ".netrc"),
    ]


def test_bounds_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credfiles, "FILES", 3)
    monkeypatch.setattr(credfiles, "LARGEST", 100)
    (tmp_path / ".bash_history").write_text("x" * 90 + "\n" * 50 + "PGPASSWORD=abc psql\n")
    many = tmp_path / "many"
    many.mkdir()
    for number in range(5):
        (many / f"{number}.txt").touch()
    made = search(tmp_path, many)
    assert [one.name for one in made.found] == ["PGPASSWORD"]
    assert any("only the last 100 were read" in each for each in made.left_out)
    assert any("more than 3 files" in each for each in made.left_out)


def test_many_credentials_are_bounded_and_long_lines_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credfiles, "MOST", 2)
    lines = "".join(f"T{number}_TOKEN=abcdefgh{number}\n" for number in range(4))
    (tmp_path / ".env").write_text(lines + "X=" + "y" * 5000)
    made = search(tmp_path)
    assert len(made.found) == 2
    assert any("more than" in each for each in made.left_out)
    assert any("characters" in each for each in made.left_out)


def test_a_home_that_nobody_names_is_said(tmp_path: Path) -> None:
    made = Search({})
    made.run([tmp_path / "absent"], tmp_path)
    assert len(made.left_out) == 2


@pytest.mark.parametrize(
    ("mode", "readers"), [(0o600, "its owner"), (0o644, "everybody"), (0o640, "group")]
)
def test_readers_are_told_by_mode_bits(tmp_path: Path, mode: int, readers: str) -> None:
    (tmp_path / ".env").write_text("A_TOKEN=abcdefgh1\n")
    (tmp_path / ".env").chmod(mode)
    (one,) = search(tmp_path).found
    assert readers in one.readers


def test_variables_that_name_files(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("h:1:d:u:abcdefgh\n")
    (one,) = search(tmp_path, PGPASSFILE=str(tmp_path / "mine"), AWS_CONFIG_FILE="a\0b").found
    assert one.place.endswith("/mine")


def test_a_parser_that_fails_quotes_nothing_and_hides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(text: str) -> Iterable[Spotted]:
        raise RuntimeError(text)

    (tmp_path / ".pgpass").write_text("h:1:d:u:abcdefgh\n")
    (tmp_path / ".netrc").write_text("machine h password p-1")
    monkeypatch.setattr(credfiles, "HOME_FILES", ((".pgpass", broken), (".netrc", credparse.netrc)))
    made = search(tmp_path)
    assert [one.kind for one in made.found] == ["netrc password"]
    (said,) = made.left_out
    assert said.endswith(".pgpass: it could not be understood (RuntimeError)")
