"""The Indexed Job of the page on many machines, by the schemas of Kubernetes, and by our own parser."""

import copy
from collections.abc import Callable
from typing import Any

import kubernetes_validate
import pytest
import yaml

from certbot_dns_delegate.command.arguments import make_parser
from tests.docs.pages import named

OLDEST = "1.27"
"""The first version whose Jobs label their pods with ``batch.kubernetes.io/job-name``."""
NEWEST = kubernetes_validate.latest_version().partition("-")[0]


def manifest() -> Any:
    """The block of the page."""
    return yaml.safe_load(named("kubernetes-indexed-job", "howto/many-machines"))


def container(job: Any) -> Any:
    """The one that looks at names."""
    (found,) = job["spec"]["template"]["spec"]["containers"]
    return found


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_kubernetes_knows_every_member(version: str) -> None:
    """By the schemas that kubernetes-validate ships: made from the API of each version, and strict about members."""
    assert kubernetes_validate.validate(manifest(), version, strict=True) == ".".join(version.split(".")[:2])


@pytest.mark.parametrize(
    "change",
    [
        lambda job: job["spec"].update(completionsMode="Indexed"),
        lambda job: job["spec"].update(completions="4"),
        lambda job: job["spec"].pop("template"),
        lambda job: container(job).update(command="certbot-dns-delegate"),
        lambda job: container(job)["env"][0]["valueFrom"]["fieldRef"].pop("fieldPath"),
        lambda job: job["spec"]["template"]["spec"]["securityContext"].update(fsgroup=1000),
    ],
)
def test_a_mistake_is_found(change: Callable[[Any], object]) -> None:
    """The schemas would say so."""
    job = copy.deepcopy(manifest())
    change(job)
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(job, NEWEST, strict=True)


def test_the_pods_are_all_shards() -> None:
    """The command that Kubernetes makes for each index; its variables are those that a pod of an Indexed Job has."""
    job = manifest()
    assert job["spec"]["completionMode"] == "Indexed"
    variables = {each["name"] for each in container(job)["env"]} | {"JOB_COMPLETION_INDEX"}
    shards, outputs = set(), set()
    for index in range(job["spec"]["completions"]):
        words = []
        for word in container(job)["command"]:
            for name in variables:
                word = word.replace(f"$({name})", str(index) if name == "JOB_COMPLETION_INDEX" else "delegations-x")
            words.append(word)
        assert "$" not in " ".join(words)
        arguments = make_parser().parse_args(words[1:])
        assert arguments.resume
        shards.add(str(arguments.shard))
        outputs.add(arguments.output)
    assert shards == {"0/4", "1/4", "2/4", "3/4"}
    assert len(outputs) == len(shards)


def test_no_pod_has_a_secret() -> None:
    """Nothing of the manifest is one, and it names none."""
    text = named("kubernetes-indexed-job", "howto/many-machines").lower()
    assert "secret" not in text
    assert "credential" not in text
    assert manifest()["spec"]["template"]["spec"]["automountServiceAccountToken"] is False
