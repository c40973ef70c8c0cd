"""The images of tools/base-images.sh, and a catalog that lists them."""

BASE = "mlc-test/base:bookworm"
BARE = "mlc-test/bare:bookworm"
CATALOG = f"""\
Pytorch, 2.8.0, [CUDA_ADA], {BASE}
Pytorch, 2.7.1, [CUDA_ADA;CUDA_AMPERE], {BASE}
Tensorflow, 2.16.1, [CUDA_ADA], {BASE}
Pytorch, 2.6.0, [ROCM6], {BASE}
Bare, 1.0, [CUDA_ADA], {BARE}
Absent, 1.0, [CUDA_ADA], mlc-test/there-is-no-such-image:1
"""
