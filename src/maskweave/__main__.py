"""``python -m maskweave``."""

from maskweave.cli import main

if __name__ == "__main__":
    main()
