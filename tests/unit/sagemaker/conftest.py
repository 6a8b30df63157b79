import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import Result
from typer.testing import CliRunner

from tests.sagemaker_cloud import ACCOUNT, BUCKET, REGION, Cloud, mocked_cloud

SCRIPTS = Path(__file__).parents[3] / "scripts"

Deploy = Callable[..., Result]


def load_script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    with mocked_cloud(monkeypatch) as mocked:
        yield mocked


@pytest.fixture
def deploy(monkeypatch: pytest.MonkeyPatch) -> Deploy:
    """``scripts/deploy_sagemaker.py`` with the options that each kind needs."""
    monkeypatch.setenv("COLUMNS", "300")
    app = load_script("deploy_sagemaker").app

    def run(kind: str, name: str = "voice", *options: str, **replaced: str) -> Result:
        given = {
            "image": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/s1-tts:1",
            "role": f"arn:aws:iam::{ACCOUNT}:role/s1-tts",
            "model-data": f"s3://{BUCKET}/model.tar.gz",
            "s3": f"s3://{BUCKET}/tts",
            **{key.replace("_", "-"): value for key, value in replaced.items()},
        }
        if kind == "delete":
            given = {}
        flags = [part for key, value in given.items() for part in (f"--{key}", value)]
        return CliRunner().invoke(app, [kind, name, "--region", REGION, *flags, *options])

    return run
