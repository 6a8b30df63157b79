"""Make the model.tar.gz of a SageMaker endpoint; the same files give the same bytes."""

import sys
from pathlib import Path

import typer

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # for deploy, which is not installed

from deploy.sagemaker.package import package  # after the path

if __name__ == "__main__":
    typer.run(package)
