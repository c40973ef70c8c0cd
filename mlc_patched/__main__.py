"""`python -m mlc_patched` is `mlc`."""

from .cli.main import main

if __name__ == "__main__":
    main()
