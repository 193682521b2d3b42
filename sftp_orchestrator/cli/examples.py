"""What a person may type, for each command's ``--help``."""

from __future__ import annotations

_WITHOUT_QUESTIONS = r"""init box --host eu1 --username 1000000000 --sample a.csv \
    --client-email data-team@example.com --host-key-fingerprint SHA256:…"""

BY_COMMAND: dict[str, tuple[tuple[str, str], ...]] = {
    "": (
        ("init", "from nothing to a configuration that is checked"),
        ("run --once", "deliver what is complete now"),
        ("status", "what waits, and why"),
    ),
    "init": (
        ("init", "asks what it needs"),
        (_WITHOUT_QUESTIONS, "asks nothing"),
    ),
    "run": (("run", "until SIGTERM or Ctrl-C"), ("run --once", "one pass, from cron or Airflow")),
    "run-now": (("run-now", "everything"), ("run-now --feed purchases", "only the files of one feed")),
    "plan": (
        ("plan purchases_2026-01-02.csv", "parts, names, and what would keep it back"),
        ("plan --feed purchases try.csv", "whatever the file is called"),
    ),
    "validate": (
        ("validate purchases_*.csv", "every rule that is broken, in each file"),
        ("validate --feed purchases try.csv", "whatever the file is called"),
    ),
    "infer": (
        ("infer purchases_2026-01-02.csv", "to be pasted below feeds:"),
        ("infer customers_*.csv", "several files of one kind"),
    ),
    "check": (("check", "without asking a receiver"), ("check --connect", "logs in at each, too")),
    "health": (("health", "for a container's health check"),),
    "notify": (("notify test", "does every channel take an alert"),),
    "notify test": (("notify test", "after each change of alerts.urls"),),
    "status": (
        ("status", "what is most urgent stands last"),
        ("status --watch", "stays, with a bar for each file under way"),
        ("status --json", "for programs"),
    ),
    "history": (
        ("history --limit 10", "what was delivered last"),
        ("history thzt3k292j", "every move of one source"),
    ),
    "retry": (
        ("retry thzt3k292j", "once what was wrong is mended"),
        ("retry thzt3k292j 6s7cgrweww", "several, each by itself"),
    ),
    "release": (("release thzt3k292j", "by your word"),),
    "discard": (
        ('discard thzt3k292j --reason "sent again by mistake"', "give it up"),
        ('discard thzt3k292j 6s7cgrweww --reason "copies"', "several, each by itself"),
    ),
    "resolve": (
        ("resolve thzt3k292j --delivered", "you saw that it arrived"),
        ("resolve thzt3k292j/2 --resend", "part 2 did not"),
    ),
    "schema": (("schema show", "which type each property has"),),
    "schema show": (("schema show --destination production", "of one destination"),),
    "schema accept": (("schema accept thzt3k292j", "its types hold from now on"),),
    "config": (("config show", "the values in effect"),),
    "config sample": (("config sample", "with every key"),),
    "config schema": (("config schema", "for an editor"),),
    "config show": (("config show --json", "for programs"),),
    "sandbox": (("sandbox --root /tmp/receiver --port 2222", "until Ctrl-C"),),
    "demo": (
        ("demo", "a generated mix"),
        ("demo --file my.csv --map customer=identity", "a copy of your own file"),
    ),
}
"""By the command's full name: what follows the program's own name, and what that does."""
