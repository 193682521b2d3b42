from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from sftp_orchestrator import errors
from sftp_orchestrator.config import document, loading
from sftp_orchestrator.config.findings import InvalidConfiguration
from sftp_orchestrator.config.places import VARIABLE
from tests.support import configuration

Write = Callable[[str], Path]

SMALL = """\
staging: staging
workspace: workspace
destinations:
  production:
    host: sftp.example.com
    username: "1000000000"
    private_key: {file: id_ed25519}
    known_hosts: known_hosts
    client_email: data-team@example.com
feeds:
  purchases:
    type: event
    files: ["purchases*.csv"]
    columns:
      event_name: {ct_name: evtName}
      time_stamp: {ct_name: ts, type: INTEGER}
      user_id: {ct_name: identity}
"""
SECRET = "hunter2-b3BlbnNzaC1rZXk"


LOADERS = [yaml.SafeLoader, *([yaml.CSafeLoader] if yaml.__with_libyaml__ else [])]


@pytest.fixture(autouse=True, params=LOADERS, ids=lambda loader: loader.__name__)
def _parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyYAML has two parsers, by what the machine offers: both must give the same."""
    monkeypatch.setattr(document, "_Loader", request.param)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a text as config.yml beside real key files, and return its path."""
    configuration.write_key_files(tmp_path)

    def write_text(text: str) -> Path:
        path = tmp_path / "config.yml"
        path.write_text(text, encoding="utf-8")
        return path

    return write_text


def _refuse(path: Path) -> list[str]:
    """Return the lines of the refusal, the folder left out."""
    with pytest.raises(errors.ConfigurationError) as raised:
        loading.load(path)
    return str(raised.value).replace(f"{path.parent}/", "").splitlines()


def test_small_configuration_loads(write: Write) -> None:
    """What has a default may be left out; relative paths are relative to the file, and come out absolute."""
    path = write(SMALL)
    loaded = loading.load(path)
    destination = loaded.get_destination("purchases")
    assert loaded.staging == path.parent / "staging"
    assert loaded.workspace == path.parent / "workspace"
    assert destination.known_hosts == path.parent / "known_hosts"
    assert destination.private_key.file == path.parent / "id_ed25519"
    assert destination.port == 22
    assert loaded.web.listen == "127.0.0.1:8765"


def test_paths_are_relative_to_the_file_not_to_the_caller(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """A configuration named by a relative path resolves against its own folder."""
    path = write(SMALL)
    monkeypatch.chdir(path.parent.parent)
    assert loading.load(Path(path.parent.name, "config.yml")).staging == path.parent / "staging"


def test_absolute_paths_stay(write: Write) -> None:
    """An absolute path is not changed."""
    assert loading.load(write(SMALL.replace("staging: staging", "staging: /srv/drop"))).staging == Path("/srv/drop")


def test_byte_order_mark_and_grouped_numbers_are_read(write: Write) -> None:
    """A BOM is no content, and 5_000_000_000 is a number."""
    text = SMALL.replace("    host:", "    limits: {plain_bytes: 4_000_000_000}\n    host:")
    assert loading.load(write("\ufeff" + text)).get_destination("purchases").limits.plain_bytes == 4_000_000_000


def test_a_timetable_needs_no_quotes(write: Write) -> None:
    """Times and a bare off are what they look like, whatever YAML 1.1 would make of them."""
    text = SMALL.replace("    host:", "    bandwidth: {8:00: 5 MB/s, 12:30: 80 Mbit/s, 19:00: off}\n    host:")
    bandwidth = loading.load(write(text)).get_destination("purchases").bandwidth
    assert bandwidth == {"8:00": "5 MB/s", "12:30": "80 Mbit/s", "19:00": "off"}


def test_aliases_and_merges_are_read(write: Write) -> None:
    """Anchors save typing: '<<' merges, and what stands in the mapping itself wins."""
    text = SMALL.replace("    columns:", "    columns: &columns") + (
        "  refunds:\n    type: event\n    files: [refunds.csv]\n    columns:\n      <<: *columns\n"
        "      time_stamp: {ct_name: ts, type: LONG}\n"
    )
    columns = loading.load(write(text)).feeds["refunds"].columns
    assert list(columns) == ["time_stamp", "event_name", "user_id"]
    assert columns["time_stamp"].type == "LONG"


def test_merges_of_merges_are_read(write: Write) -> None:
    """What is merged in may have merged something in itself."""
    text = SMALL.replace("    columns:", "    columns: &columns") + (
        "  refunds:\n    type: event\n    files: [refunds.csv]\n    columns: &more {<<: *columns, reason: {}}\n"
        "  returns:\n    type: event\n    files: [returns.csv]\n    columns: {<<: [*more], depot: {}}\n"
    )
    columns = loading.load(write(text)).feeds["returns"].columns
    assert set(columns) == {"depot", "reason", "event_name", "time_stamp", "user_id"}


def test_text_that_yaml_1_1_would_misread_is_kept(write: Write) -> None:
    """Leading zeros, times of day and dates are the text that was written, not octal, base 60 or a date."""
    text = SMALL.replace('"1000000000"', "0123").replace("    host: sftp.example.com", "    host: 22:30")
    text = text.replace("event_name:", "2024-01-01:")
    loaded = loading.load(write(text))
    assert loaded.get_destination("purchases").username == "0123"
    assert loaded.get_destination("purchases").host == "22:30"
    assert "2024-01-01" in loaded.feeds["purchases"].columns


def test_all_errors_at_once_in_order_with_line_path_value_and_hint(write: Write) -> None:
    """Every error is told in one go, a line each: file line, dotted path, what is wanted, value, hint."""
    text = (
        SMALL.replace("    host: sftp.example.com", "    host: sftp.example.com\n    port: 0")
        .replace('"1000000000"', "1000000000")
        .replace("type: event", "type: evnt")
        .replace("staging: staging\n", "stagin: staging\n")
    )
    error_lines = _refuse(write(text))
    assert error_lines == [
        "config.yml:1 staging: is required; producers drop files here (watched with its sub-folders)",
        "config.yml:1 stagin: unknown key; did you mean staging?",
        "config.yml:6 destinations.production.port: must be 1\N{EN DASH}65535 (got 0)",
        "config.yml:7 destinations.production.username: must be text (got 1000000000); put it in quotes",
        "config.yml:13 feeds.purchases.type: must be one of profile, event (got evnt); did you mean event?",
    ]


def test_findings_are_carried(write: Write) -> None:
    """A program may read the findings one by one; the error ends a command as wrong configuration."""
    path = write(SMALL.replace("type: event", "type: 7"))
    with pytest.raises(InvalidConfiguration) as raised:
        loading.load(path)
    (finding,) = raised.value.findings
    assert (finding.path, finding.line, finding.file) == (("feeds", "purchases", "type"), 12, str(path))
    assert errors.get_exit_code(raised.value) is errors.ExitCode.USAGE


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("workspace: workspace", "workspace: ''", 'config.yml:2 workspace: must be a path (got "")'),
        ("workspace: workspace", "workspace: ~/w", "config.yml:2 workspace: must be written out: '~' is not expanded"),
        ("workspace: workspace", "timezone: Mars/Base", "config.yml:2 timezone: must be a name of the tz database"),
        ("workspace: workspace", "intake:", "intake: must be a mapping (got nothing); leave the key out"),
        ("workspace: workspace", "settle_seconds: 5", "settle_seconds: unknown key; it belongs to intake"),
        ("workspace: workspace", "colour: red", "colour: unknown key; known are staging, workspace,"),
        ("workspace: workspace", "web: {listen: a}", "web.listen: must be HOST:PORT, such as 127.0.0.1:8765 (got a)"),
        ("workspace: workspace", "web: {listen: 'a:70000'}", 'must end in a port of 0 to 65535 (got "a:70000")'),
        ("workspace: workspace", "schedule: {deliver: hourly}", "must be 'on_arrival' or a cron line: a cron line has"),
        ("workspace: workspace", "intake: {settle_seconds: '10'}", 'must be a number (got "10"); leave the quotes out'),
        (
            "workspace: workspace",
            "intake: {settle_seconds: .inf}",
            "intake.settle_seconds: must be a number (got .inf)",
        ),
        ("workspace: workspace", "intake: {rescan_seconds: 0}", "intake.rescan_seconds: must be above 0 (got 0)"),
        ("workspace: workspace", "intake: {ready_marker: ready}", "must be a file name that contains {name} or {stem}"),
        ("workspace: workspace", "archive: {keep_days: -1}", "archive.keep_days: must be at least 0 (got -1)"),
        ("workspace: workspace", "ledger: {url: mysql://x}", "ledger.url: must be 'sqlite' or begin with"),
        ("host: sftp.example.com", "host: no", "host: must be text (got no); put it in quotes"),
        ("host: sftp.example.com", "host: ''", 'host: must not be empty (got "")'),
        ("host: sftp.example.com", "host: [a]", "host: must be text (got a list); put it in quotes"),
        (
            "host: sftp.example.com",
            "connections: 2.5",
            "must be auto, or a whole number of 1 to 32 (got 2.5)",
        ),
        (
            "host: sftp.example.com",
            "connections: 010",
            "must be auto, or a whole number of 1 to 32 (got 010)",
        ),
        (
            "host: sftp.example.com",
            "connections: 33",
            "must be auto, or a whole number of 1 to 32 (got 33)",
        ),
        (
            "host: sftp.example.com",
            "connections: yes",
            "must be auto, or a whole number of 1 to 32 (got yes)",
        ),
        (
            "host: sftp.example.com",
            "bandwidth: 10",
            "bandwidth: must be a rate with its unit, such as 10 MB/s or 80 Mbit",
        ),
        ("host: sftp.example.com", "bandwidth: 10 Mb/s", "or 80 Mbit/s, or off (got 10 Mb/s)"),
        ("host: sftp.example.com", "bandwidth: 10 B/s", "bandwidth: must be at least 1.0 kB/s (got 10 B/s)"),
        ("host: sftp.example.com", "bandwidth: {}", "bandwidth: must be a rate, or name times of day, such as {"),
        ("host: sftp.example.com", "bandwidth: {8: 5 MB/s}", "bandwidth.8: YAML does not read this key as text"),
        ("host: sftp.example.com", "bandwidth: {'24:00': off}", "must name times of day as HH:MM, such as {"),
        ("host: sftp.example.com", "bandwidth: {8:00: off, 08:00: off}", "must name each time of day once"),
        (
            "host: sftp.example.com",
            "bandwidth: {8:00: fast}",
            "bandwidth: from 8:00 on it must be a rate with its unit",
        ),
        ("host: sftp.example.com", "rename: 'yes'", 'rename: must be true or false (got "yes"); leave the quotes out'),
        ("host: sftp.example.com", "verify: allways", "one of required, best_effort, never (got allways)"),
        ("host: sftp.example.com", "port: 1\n    port: 2", "config.yml:6 destinations.production.port: is given twice"),
        ("host: sftp.example.com", "host: !tag x", "host: a tag is not allowed"),
        ("{file: id_ed25519}", "!tag {file: id_ed25519}", "production.private_key: a tag is not allowed"),
        ("host: sftp.example.com", "host: user@sftp.example.com", "host: must be a host name or an address"),
        ("client_email: data-team@example.com", "client_email: a@b", "must be one e-mail address (got a@b)"),
        ("    known_hosts: known_hosts\n", "", "destinations.production: needs known_hosts or host_keys"),
        ("production:", "Production A:", 'destinations."Production A": this name must be 1 to 40 characters'),
        ("production:", "12:", "destinations.12: YAML does not read this key as text, but as a number"),
        ("event_name:", "no:", "columns.no: YAML does not read this key as text, but as true or false; put it"),
        ("{ct_name: evtName}", "{type: integer}", "(got integer); did you mean INTEGER?"),
        ("{ct_name: evtName}", "{type: DATE}", "columns.event_name: is a DATE and needs a date_format: dd/MM/yyyy"),
        ("{ct_name: evtName}", "{type: DATE, date_format: yyyy-mm-dd}", "case counts (got yyyy-mm-dd)"),
        ("{ct_name: evtName}", "{date_format: UNIX}", "columns.event_name: has a date_format, which is for type DATE"),
        ('["purchases*.csv"]', "purchases.csv", "files: must be a list (got purchases.csv); write [one, another]"),
        ('["purchases*.csv"]', "[]", "files: must have at least 1 entry"),
        ('["purchases*.csv"]', "[ok.csv, /a.csv]", "files[1]: must be a pattern relative to staging, without '..'"),
        ('["purchases*.csv"]', "[a/../b.csv]", "files[0]: must be a pattern relative to staging, without '..'"),
    ],
)
def test_each_mistake_is_told_in_plain_words(write: Write, old: str, new: str, said: str) -> None:
    """A message says what the value must be and what it is, never in the words of the validating library."""
    lines = _refuse(write(SMALL.replace(old, new)))
    assert any(said in line for line in lines), lines
    assert not any("Input should" in line or "Value error" in line for line in lines)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("staging: staging", "staging: workspace", "config.yml:2 workspace: must not be the same folder as staging"),
        ("staging: staging", "staging: workspace/in", "config.yml:2 workspace: must not contain staging"),
        ("workspace: workspace", "workspace: staging/own", "config.yml:2 workspace: must not lie inside staging"),
        (
            "workspace: workspace",
            "workspace: workspace\narchive: {keep: encrypted}",
            "config.yml:3 archive.keep: nothing encrypted is made for production: there would be nothing to keep; set",
        ),
        (
            "workspace: workspace",
            "workspace: workspace\nweb: {listen: '0.0.0.0:8765'}",
            "web.listen: lets other machines reach the page, which has no token (got 0.0.0.0:8765); set web.token; or",
        ),
        (
            "workspace: workspace",
            "workspace: workspace\nweb: {listen: '[::]:8765'}",
            "web.listen: lets other machines reach the page",
        ),
        ("known_hosts: known_hosts", "known_hosts: nowhere", "cannot read"),
        ("known_hosts: known_hosts", "host_keys: [ssh-ed25519 x]", "host_keys[0]: is not an SSH public key"),
        ("type: event", "type: event\n    destination: produktion", "(got produktion); did you mean production?"),
        ("user_id: {ct_name: identity}", "user_id: {ct_name: ts}", "user_id: gives the property ts, and so does the"),
        ("event_name: {ct_name: evtName}", "evtName: {ct_name: Kind}", "no column gives evtName; an event needs its"),
        (
            "type: event",
            "type: event\n    event_name: Sold",
            "event_name: the column event_name gives the name already",
        ),
        ("type: event", "type: profile\n    sort_by_time: true", "sort_by_time: is for events only"),
        ("type: event", "type: event\n    rename: {a: b, c: b}", "rename.c: gives the header b, and so does a"),
        ("type: event", "type: event\n    rename: {user_id: b}", "columns.user_id: is renamed to b; columns speak of"),
    ],
)
def test_contradictions_are_told(write: Write, old: str, new: str, said: str) -> None:
    """Keys that are right one by one must agree, and what they name must be there."""
    (line,) = _refuse(write(SMALL.replace(old, new)))
    assert said in line


@pytest.mark.parametrize(
    "web",
    [
        "{listen: 'localhost:0'}",
        "{listen: '[::1]:8765'}",
        "{listen: '127.9.9.9:8765'}",
        "{listen: '0.0.0.0:8765', token: {env: PAGE_TOKEN}}",
        "{listen: 'etl:8765', behind_proxy: true, hosts: [ETL.example.com]}",
        "{listen: null}",
    ],
)
def test_the_page_may_listen_where_somebody_guards_it(write: Write, web: str) -> None:
    """On this machine alone; elsewhere with a token, or with a proxy that says who comes."""
    loading.load(write(SMALL.replace("workspace: workspace", f"workspace: workspace\nweb: {web}")))


@pytest.mark.parametrize("host", ["https://etl.example.com", "etl.example.com:443", "'*.example.com'", "' '"])
def test_names_of_the_page_are_names_alone(write: Write, host: str) -> None:
    """What would never fit is refused, and not passed over in silence."""
    (line,) = _refuse(write(SMALL.replace("workspace: workspace", f"workspace: workspace\nweb: {{hosts: [{host}]}}")))
    assert "web.hosts: must be names alone, such as etl.example.com, without scheme, port or *" in line


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("' '", "must not be blank"),
        ("app launched", "is the name of a system event"),
        ("50%", "has characters that the receiver refuses: %"),
    ],
)
def test_constant_event_name_keeps_to_the_receivers_rules(write: Write, name: str, said: str) -> None:
    """It stands in every row: what no row may hold is refused before any file comes."""
    text = SMALL.replace("      event_name: {ct_name: evtName}\n", "").replace(
        "type: event", f"type: event\n    event_name: {name}"
    )
    (line,) = _refuse(write(text))
    assert f"feeds.purchases.event_name: {said}" in line


def test_symbolic_link_does_not_hide_that_the_folders_are_one(write: Write, tmp_path: Path) -> None:
    """Staging and workspace are compared as they really are."""
    (tmp_path / "workspace").mkdir()
    (tmp_path / "staging").symlink_to("workspace")
    (line,) = _refuse(write(SMALL))
    assert line.startswith("config.yml:2 workspace: must not be the same folder as staging; ")


def test_destination_must_be_named_where_there_are_several(tmp_path: Path) -> None:
    """With two destinations a feed says which."""
    configuration.write_key_files(tmp_path)
    values = configuration.get_values()
    values["destinations"]["test"] = values["destinations"]["production"]
    values["feeds"]["customers"]["destination"] = "test"
    (line,) = _refuse(configuration.write_values(tmp_path, values))
    assert line.endswith("feeds.purchases.destination: is required where there are several; known are production, test")


def test_columns_that_the_header_may_still_bring_are_not_refused(write: Write) -> None:
    """A header that is not listed keeps its name: evtName and identity need not be mapped."""
    text = SMALL[: SMALL.index("    columns:")]
    assert loading.load(write(text)).feeds["purchases"].columns == {}


def test_several_host_keys_are_taken(write: Write) -> None:
    """Host keys may be pinned in the file itself, without known_hosts, several at once."""
    pins = [configuration.generate_host_key() for _ in range(2)]
    text = SMALL.replace("known_hosts: known_hosts", f"host_keys: {pins}")
    assert loading.load(write(text)).get_destination("purchases").host_keys == tuple(pins)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("{file: id_ed25519}", SECRET),
        ("{file: id_ed25519}", f"|\n      -----BEGIN OPENSSH PRIVATE KEY-----\n      {SECRET}"),
        ("{file: id_ed25519}", f"-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}"),
        ("{file: id_ed25519}", f"{{{SECRET}}}"),
        ("{file: id_ed25519}", f"{{{SECRET}: 1, {SECRET}: 2}}"),
        ("{file: id_ed25519}", f"{{env: [{SECRET}]}}"),
        ("{file: id_ed25519}", f"{{credential: ./{SECRET}}}"),
        ("{file: id_ed25519}", f"{{file: id_ed25519, env: {SECRET}}}"),
        ("{file: id_ed25519}", f"*{SECRET}"),
        ("{file: id_ed25519}", f"!{SECRET} x"),
        ("{file: id_ed25519}", f"!{SECRET}!x y"),
        ("{file: id_ed25519}", f'"{SECRET}\n'),
        ("host: sftp.example.com", f"host: sftp.example.com\n    pasword: {SECRET}"),
        ("host: sftp.example.com", f"host: |\n      -----BEGIN PRIVATE KEY-----\n      {SECRET}"),
        ("known_hosts: known_hosts", f"host_keys: ['-----BEGIN PRIVATE KEY----- {SECRET}']"),
        ("workspace: workspace", f"ledger: {{url: 'mysql://user:{SECRET}@host/db'}}"),
    ],
)
def test_secrets_are_never_echoed(write: Write, old: str, new: str) -> None:
    """A secret pasted where a reference or another key belongs is refused, and stays out of text and cause."""
    path = write(SMALL.replace(old, new))
    with pytest.raises(errors.ConfigurationError) as raised:
        loading.load(path)
    error: BaseException | None = raised.value
    while error is not None:
        assert SECRET not in f"{error} {error!r}"
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "load config.yml: it is empty; 'sftp-orchestrator config sample' prints one"),
        (b"# nothing\n", "load config.yml: it is empty;"),
        (b"- a\n", "load config.yml: it is not a mapping of keys;"),
        (b"staging: a\nfeeds: caf\xe9\n", "config.yml:2: not UTF-8; save the file as UTF-8"),
        (b"staging: a\n\tworkspace: b\n", "config.yml:2:1: not valid YAML: "),
        (b"a: [1,\nb: 2\n", "config.yml:"),
        (b"a: \x01\n", "config.yml:1:4: not valid YAML: the character U+0001 is not allowed"),
        (b"a: 1\n---\nb: 2\n", "config.yml:2:1: not valid YAML: expected a single document"),
        (b"a: &a [*a]\n", "config.yml:1:4: not valid YAML: it refers to itself"),
        (b"? [a]\n: 1\n", "config.yml:1:3: not valid YAML: a key must be text"),
    ],
)
def test_what_is_no_configuration_at_all_is_one_clear_line(tmp_path: Path, content: bytes, said: str) -> None:
    """Empty, not a mapping, not UTF-8, not YAML: one line, with line and column where there are any."""
    path = tmp_path / "config.yml"
    path.write_bytes(content)
    (line,) = _refuse(path)
    assert line.startswith(said)


def test_file_that_is_not_utf_8_is_not_carried_along(tmp_path: Path) -> None:
    """A decoding error holds the whole file: it is neither cause nor context of ours."""
    path = tmp_path / "config.yml"
    path.write_bytes(f"private_key: {SECRET}".encode() + b"\xe9\n")
    with pytest.raises(errors.ConfigurationError) as raised:
        loading.load(path)
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None


def test_merge_into_itself_ends(write: Write) -> None:
    """A merge that refers to itself is an error, not a hang, also where it is merged elsewhere."""
    lines = _refuse(write("intake: &a {<<: *a}\nweb: {<<: *a}\n"))
    assert any("'<<' must be followed by an alias of another mapping" in line for line in lines)


def test_missing_file_and_folder_are_told(tmp_path: Path) -> None:
    """A path that is no readable file is one line with the reason."""
    assert "No such file" in _refuse(tmp_path / "config.yml")[0]
    assert "directory" in _refuse(tmp_path)[0]


def test_find_prefers_option_then_environment_then_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--config wins over the environment, which wins over the defaults; with none of them both are named."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(loading, "DEFAULT_PATHS", (Path("sftp-orchestrator.yml"), tmp_path / "etc.yml"))
    monkeypatch.setenv(VARIABLE, "")
    with pytest.raises(errors.ConfigurationError, match=r"--config FILE or SFTP_ORCHESTRATOR_CONFIG"):
        loading.find(None)
    (tmp_path / "etc.yml").touch()
    assert loading.find(None) == tmp_path / "etc.yml"
    (tmp_path / "sftp-orchestrator.yml").touch()
    assert loading.find(None) == Path("sftp-orchestrator.yml")
    monkeypatch.setenv(VARIABLE, "/named/by/environment.yml")
    assert loading.find(None) == Path("/named/by/environment.yml")
    assert loading.find(Path("option.yml")) == Path("option.yml")


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("workspace: work", "work"),
        ("workspace: '/var/lib/a b'  # ours", "/var/lib/a b"),
        ('workspace: "work"', "work"),
        ("workspace: work   # ours", "work"),
        ("workspace:", None),
        ("workspace: [work]", None),
        ("  workspace: work", None),
        ("#workspace: work", None),
        ("workspace: work\nworkspace: work", "work"),
        ("workspace: work\nworkspace: another", None),
    ],
)
def test_a_configuration_that_is_wrong_still_names_its_workspace(tmp_path: Path, line: str, found: str | None) -> None:
    """Whether it is YAML or not: so a daemon that goes on with an earlier one is found."""
    path = tmp_path / "config.yml"
    path.write_text(f"staging: [\n{line}\nnonsense: {{\n", encoding="utf-8")
    assert loading.find_workspace(path) == (tmp_path / found if found is not None else None)
    assert loading.find_workspace(tmp_path / "none.yml") is None
