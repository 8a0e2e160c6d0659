"""What is written for an app, edited by a person, and built."""

from pathlib import Path

import pytest

from migrate.app import detect, draft
from migrate.app.deployer import SwarmDeployer
from swarmstead.errors import InputError

PHOTOS = Path(__file__).parents[3] / "examples" / "photos"


@pytest.fixture
def deployer(tmp_path: Path) -> SwarmDeployer:
    values = {"sessions.redis": "redis://redis:6379", "files.0.remote": "s3://photos"}
    return SwarmDeployer(draft(PHOTOS, "photos", detect(PHOTOS), values), tmp_path / "package", tmp_path)


def test_uploads_and_history_stay_out_of_the_image(deployer: SwarmDeployer, tmp_path: Path) -> None:
    report = deployer.write()
    assert report["problems"] == []
    assert not (tmp_path / "package" / "app" / "uploads").exists()
    assert (tmp_path / "package" / "app" / "index.php").exists()


def test_the_image_is_named_by_all_it_is_built_from(deployer: SwarmDeployer, tmp_path: Path) -> None:
    deployer.write()
    before = deployer.image
    deployer.write()
    assert deployer.image == before
    with (tmp_path / "package" / "Dockerfile").open("a") as file:
        file.write("# mine\n")
    assert deployer.image != before
    stack = tmp_path / "package" / "stack" / "stack.yml"
    deployer.write()
    assert deployer.image in stack.read_text()


def test_an_edited_stack_that_runs_another_image_is_refused(deployer: SwarmDeployer, tmp_path: Path) -> None:
    deployer.write()
    stack = tmp_path / "package" / "stack" / "stack.yml"
    stack.write_text(stack.read_text().replace("photos:", "photos:x"))
    with pytest.raises(InputError, match="is built"):
        deployer.build()


def test_an_edited_stack_that_docker_would_refuse_is_refused(deployer: SwarmDeployer, tmp_path: Path) -> None:
    deployer.write()
    stack = tmp_path / "package" / "stack" / "stack.yml"
    stack.write_text(stack.read_text().replace("replicas: 3", 'replicas: "3"'))
    with pytest.raises(InputError, match="replicas"):
        deployer.write()
