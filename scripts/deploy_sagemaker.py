"""Make, update and delete SageMaker endpoints that serve S1-mini."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # for deploy, which is not installed

from deploy.sagemaker.command import app  # after the path

if __name__ == "__main__":
    app()
