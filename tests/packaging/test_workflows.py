"""The workflows: what runs is named by commit, and each job has the rights that it needs and no others."""

import re
from typing import Any

import pytest
import yaml

from tests.packaging import dist

FOLDER = dist.CHECKOUT / ".github/workflows"
WORKFLOWS = sorted(path.name for path in FOLDER.glob("*.yml"))
RIGHTS = {
    "build": {"contents": "read", "id-token": "write", "attestations": "write"},
    "index": {"id-token": "write"},
    "image": {"contents": "read", "packages": "write", "id-token": "write", "attestations": "write"},
    "notes": {"contents": "write"},
}
"""What each job of a release may do."""


def workflow(name: str) -> dict[str, Any]:
    """A workflow; YAML takes its key ``on`` for a truth value."""
    return dict(yaml.safe_load((FOLDER / name).read_text()))


@pytest.mark.parametrize("name", WORKFLOWS)
def test_actions_are_named_by_commit(name: str) -> None:
    """A tag can be moved, a commit cannot; the comment says which release it is."""
    used = re.findall(r"uses: (.*)", (FOLDER / name).read_text())
    assert used
    assert all(re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each) for each in used)


def test_one_action_is_one_commit() -> None:
    """The workflows agree."""
    used = [each for name in WORKFLOWS for each in re.findall(r"uses: (.*)", (FOLDER / name).read_text())]
    assert len({each.split("@")[0] for each in used}) == len(set(used))


@pytest.mark.parametrize("name", WORKFLOWS)
def test_nothing_may_write_by_default(name: str) -> None:
    """Nor does the checkout leave a token behind."""
    said = workflow(name)
    assert said["permissions"] == {"contents": "read"}
    for job in said["jobs"].values():
        assert "timeout-minutes" in job
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


def test_a_release_has_the_rights_that_it_needs() -> None:
    """And what publishes waits for a person, and is never a pull request's."""
    said = workflow("release.yml")
    assert said[True] == {"push": {"tags": ["v[0-9]*"]}}
    assert {name: job["permissions"] for name, job in said["jobs"].items()} == RIGHTS
    assert {name for name, job in said["jobs"].items() if job.get("environment") == "release"} == RIGHTS.keys() - {
        "build"
    }
    assert "secrets." not in (FOLDER / "release.yml").read_text()


def test_text_from_outside_is_no_part_of_a_script() -> None:
    """Expressions become variables of the environment first."""
    for name in WORKFLOWS:
        for job in workflow(name)["jobs"].values():
            assert not [step for step in job["steps"] if "${{" in step.get("run", "")], name


def test_there_is_no_release_without_the_digest_of_the_base_image() -> None:
    """It is resolved, checked, and given to the build."""
    image = workflow("release.yml")["jobs"]["image"]["steps"]
    (resolve,) = [step["run"] for step in image if step.get("id") == "base"]
    assert "grep -Eqx 'sha256:[0-9a-f]{64}'" in resolve
    (push,) = [step for step in image if step.get("id") == "push"]
    assert push["env"]["BASE"] == "${{ steps.base.outputs.name }}"
    assert '--build-arg "BASE=$BASE"' in push["run"]
