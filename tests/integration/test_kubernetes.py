"""What is delivered with the program for Kubernetes: a CronJob and a pod to decide from, as the image needs them."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from sftp_orchestrator.cli.app import app
from sftp_orchestrator.errors import ExitCode
from tests.support.sandboxes import run_sandbox
from tests.support.service import call

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
NAME = "sftp-orchestrator"


def _read(name: str) -> dict[str, dict[str, Any]]:
    """Return the objects of a file by their kind; each kind comes once."""
    found = list(yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8")))
    assert len({one["kind"] for one in found}) == len(found)
    return {one["kind"]: one for one in found}


CRON_JOB = _read("cronjob.yaml")
JOB = CRON_JOB["CronJob"]["spec"]["jobTemplate"]["spec"]
PODS = {"pass": JOB["template"]["spec"], "desk": _read("desk.yaml")["Pod"]["spec"]}


def _read_image() -> tuple[int, str]:
    """Return the user of the image, and where it looks for credentials."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    user, folder = re.search(r"useradd .*--uid (\d+)", text), re.search(r"CREDENTIALS_DIRECTORY=(\S+)", text)
    assert user is not None
    assert folder is not None
    return int(user[1]), folder[1]


def _list_credentials(value: object) -> list[str]:
    """Return the names of all credentials in a configuration."""
    if isinstance(value, dict):
        own = [value["credential"]] if "credential" in value else []
        return own + [name for below in value.values() for name in _list_credentials(below)]
    return []


@pytest.mark.parametrize("pod", PODS.values(), ids=PODS)
def test_every_container_is_the_images_user_and_shut(pod: dict[str, Any]) -> None:
    """As the restricted profile of Kubernetes wants it: no root, no capabilities, and a read-only file system."""
    user, _ = _read_image()
    around = pod["securityContext"]
    assert (around["runAsUser"], around["runAsGroup"], around["fsGroup"]) == (user, user, user)
    assert around["runAsNonRoot"] is True
    assert around["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    for container in (*pod.get("initContainers", []), *pod["containers"]):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


@pytest.mark.parametrize("pod", PODS.values(), ids=PODS)
def test_what_is_mounted_is_there_and_where_the_image_looks(pod: dict[str, Any]) -> None:
    """Volumes lead to claim, ConfigMap and Secret by their names; all is mounted where the program expects it."""
    _, credentials = _read_image()
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert (
        volumes["data"]["persistentVolumeClaim"]["claimName"] == CRON_JOB["PersistentVolumeClaim"]["metadata"]["name"]
    )
    assert volumes["config"]["configMap"]["name"] == CRON_JOB["ConfigMap"]["metadata"]["name"]
    assert volumes["secrets"]["secret"] == {"secretName": NAME, "defaultMode": 0o440}
    (container,) = pod["containers"]
    assert {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]} == {
        "/data": "data",
        "/etc/sftp-orchestrator": "config",
        credentials: "secrets",
        "/tmp": "tmp",  # noqa: S108 - in the container
    }


def test_the_pass_is_a_command_and_no_two_are_made_at_once() -> None:
    """The job runs ``run --once``, one at a time, with as long to stop as the program may take."""
    (container,) = PODS["pass"]["containers"]
    command, *options = container["args"]
    assert command in typer.main.get_command(app).list_commands(None)  # type: ignore[attr-defined] # a group
    assert options == ["--once"]
    assert CRON_JOB["CronJob"]["spec"]["concurrencyPolicy"] == "Forbid"
    assert PODS["pass"]["terminationGracePeriodSeconds"] >= 45
    assert {container["image"] for pod in PODS.values() for container in pod["containers"]} == {container["image"]}


def test_a_pass_that_hangs_ends_before_long() -> None:
    """With no two at once, one without an end would be the last; the guide tells how long it may take."""
    assert JOB["activeDeadlineSeconds"] == 6 * 3600
    assert "Six hours at most" in (ROOT / "docs" / "how-to" / "run-on-kubernetes.md").read_text(encoding="utf-8")


def test_exit_codes_that_a_repetition_does_not_mend_fail_the_job() -> None:
    """Codes for which a person is needed end the job; all others are tried again."""
    (rule,) = [rule for rule in JOB["podFailurePolicy"]["rules"] if rule["action"] == "FailJob"]
    codes = rule["onExitCodes"]
    assert codes["containerName"] == PODS["pass"]["containers"][0]["name"]
    assert (codes["operator"], codes["values"]) == ("In", [ExitCode.NOT_ALL_DELIVERED, ExitCode.USAGE])
    assert PODS["pass"]["restartPolicy"] == "Never"  # without it there is no such policy


def test_the_guide_makes_the_secrets_that_the_configuration_names() -> None:
    """Each credential of the configuration is a key of the Secret, as the guide has it made."""
    guide = (ROOT / "docs" / "how-to" / "run-on-kubernetes.md").read_text(encoding="utf-8")
    config = yaml.safe_load(CRON_JOB["ConfigMap"]["data"]["config.yml"])
    assert sorted(re.findall(r"--from-file=(\w+)=", guide)) == sorted(_list_credentials(config)) != []


async def test_a_pass_delivers_with_the_secrets_as_credentials(tmp_path: Path) -> None:
    """The ConfigMap's configuration, but for the receiver's address and folders, delivers a file to the sandbox."""
    data, secrets = tmp_path / "data", tmp_path / "secrets"
    (data / "staging").mkdir(parents=True)
    secrets.mkdir()
    with run_sandbox(tmp_path / "receiver") as sandbox:
        access = sandbox.access
        assert access.private_key is not None
        shutil.copy(access.private_key, secrets / "sftp_key")
        shutil.copy(access.openpgp_public_key, secrets / "openpgp_public_key")
        config = yaml.safe_load(CRON_JOB["ConfigMap"]["data"]["config.yml"].replace("/data/", f"{data}/"))
        destination = config["destinations"]["production"]
        destination |= {"host": access.host, "port": access.port, "host_keys": [sandbox.host_key.strip()]}
        destination["encryption"]["key_id"] = access.key_id
        config["intake"] = {"settle_seconds": 0}
        path = tmp_path / "config.yml"
        await asyncio.to_thread(path.write_text, json.dumps(config), encoding="utf-8")
        (data / "staging" / "customers.csv").write_text("user_id\nu1\n", encoding="utf-8")
        answer = await call(path, "run", "--once", environment={"CREDENTIALS_DIRECTORY": str(secrets)})
    assert (answer.code, answer.out) == (0, "1 delivered (1 part, 11 B)\n"), answer.errors
