"""Names of Python packages that people often misspell, or know by another name."""

from __future__ import annotations

from .presets import PRESETS

_BY_IMPORT = {
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "crypto": "pycryptodome",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "faiss": "faiss-cpu",
    "fitz": "pymupdf",
    "git": "gitpython",
    "hydra": "hydra-core",
    "jwt": "pyjwt",
    "lightning-fabric": "lightning",
    "mpl-toolkits": "matplotlib",
    "opencv": "opencv-python-headless",
    "pil": "pillow",
    "pytorch": "torch",
    "serial": "pyserial",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "tensorflow-gpu": "tensorflow",
    "umap": "umap-learn",
    "yaml": "pyyaml",
}
"""Packages by the names that their modules, or the projects, have."""
_PYTHON_NAMES = """
accelerate aiohttp albumentations altair anthropic attrs autogluon beautifulsoup4 bitsandbytes
black bokeh boto3 catboost click cupy-cuda12x cython dask datasets deepspeed diffusers django
einops evaluate faiss-cpu fastai fastapi flash-attn flask flax gensim geopandas gitpython gradio
graphviz gymnasium h5py huggingface-hub hydra-core imageio ipykernel ipython ipywidgets jax
jaxlib joblib jupyter jupyterlab keras langchain librosa lightgbm lightning llama-index lxml
matplotlib mlflow monai mypy networkx nibabel nltk notebook numba numpy omegaconf onnx
onnxruntime openai opencv-python opencv-python-headless openpyxl optax optuna orjson pandas peft
pillow pingouin plotly polars pre-commit protobuf psutil psycopg2-binary pyarrow pycryptodome
pydantic pyjwt pymc pymupdf pynvml pyserial pyspark pytest python-dateutil python-dotenv
pytorch-lightning pyyaml rasterio ray requests rich ruff sacrebleu safetensors scikit-image
scikit-learn scipy seaborn selenium sentence-transformers sentencepiece setuptools shap shapely
simpleitk six soundfile spacy sqlalchemy stable-baselines3 statsmodels streamlit sympy
tensorboard tensorflow tiktoken timm tokenizers torch torch-geometric torchaudio torchmetrics
torchvision tqdm transformers triton trl typer ultralytics umap-learn urllib3 uv vllm wandb
wheel xarray xformers xgboost zarr
"""
KNOWN = frozenset(_PYTHON_NAMES.split())
_RENAMED = {
    "libgl1-mesa-glx": "libgl1",
    "libegl1-mesa": "libegl1",
    "libglib2.0": "libglib2.0-0",
    "python": "python3",
    "python-dev": "python3-dev",
    "python-pip": "python3-pip",
    "pip": "python3-pip",
    "vi": "vim",
    "nvim": "neovim",
    "netcat": "netcat-openbsd",
    "openjdk": "default-jdk",
    "java": "default-jre",
}
_DEBIAN_NAMES = """
build-essential cmake curl default-jdk ffmpeg g++ gcc gdb gfortran git git-lfs graphviz htop jq
less libegl1 libgl1 libglib2.0-0 libhdf5-dev libopenmpi-dev libsm6 libsndfile1 libxext6 make
nano neovim ninja-build openmpi-bin openssh-client pandoc pkg-config python3 python3-dev
python3-pip python3-venv rsync screen sox tesseract-ocr texlive tmux tree unzip vim wget zip zsh
"""
_DEBIAN = frozenset(_DEBIAN_NAMES.split())


def is_known(name: str) -> bool:
    """Whether the index certainly has a Python package of this name."""
    return name in KNOWN or any(name in each.pip for each in PRESETS.values())


def similar_python(name: str) -> str:
    """Return the package that is probably meant by a name that the index does not have, or ''."""
    return _BY_IMPORT.get(name) or _closest(name, KNOWN)


def similar_debian(name: str) -> str:
    """Return the Debian package that is probably meant by a name that there is not, or ''."""
    return _RENAMED.get(name) or _closest(name, _DEBIAN)


def _closest(name: str, names: frozenset[str]) -> str:
    import difflib

    return next(iter(difflib.get_close_matches(name, sorted(names - {name}), n=1)), "")
