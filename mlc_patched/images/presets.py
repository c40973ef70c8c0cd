"""The presets of packages; in a module of their own, as the help of image-create lists them."""

from __future__ import annotations

from collections.abc import Mapping


class Preset:
    """A set of packages: `pip` requirements, and the `apt` packages they need."""

    # Not a dataclass: importing those takes longer than the rest of `image-create -h`.
    def __init__(self, summary: str, pip: tuple[str, ...], apt: tuple[str, ...] = ()) -> None:
        self.summary, self.pip, self.apt = summary, pip, apt


PRESETS: Mapping[str, Preset] = {
    "jupyter": Preset("notebooks", ("ipykernel", "ipywidgets", "jupyterlab")),
    "data-science": Preset(
        "tables, statistics, plots", ("matplotlib", "pandas", "scikit-learn", "scipy")
    ),
    "cv": Preset("computer vision", ("albumentations", "opencv-python-headless", "pillow", "timm")),
    "nlp": Preset(
        "natural language", ("datasets", "evaluate", "sentencepiece", "tokenizers", "transformers")
    ),
    "llm": Preset(
        "large language models", ("accelerate", "datasets", "peft", "transformers", "trl")
    ),
    "audio": Preset("speech and sound", ("librosa", "soundfile"), apt=("ffmpeg", "libsndfile1")),
    "rl": Preset("reinforcement learning", ("gymnasium", "stable-baselines3")),
    "graphs": Preset("graphs and networks", ("networkx", "torch-geometric")),
    "boosting": Preset("gradient boosting", ("catboost", "lightgbm", "xgboost")),
    "geo": Preset("maps and rasters", ("geopandas", "rasterio", "shapely")),
    "plots": Preset("more plots", ("bokeh", "plotly", "seaborn")),
    "tracking": Preset("experiments and their results", ("mlflow", "tensorboard", "wandb")),
    "tuning": Preset("hyperparameters and settings", ("hydra-core", "optuna")),
    "dev": Preset("writing and testing code", ("ipdb", "mypy", "pre-commit", "pytest", "ruff")),
}
"""The presets (docs/contracts.md, "DS01's commands"); they pin no versions."""
