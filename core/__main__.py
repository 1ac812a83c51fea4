"""``python -m stormbench``."""

from stormbench.cli import main

if __name__ == "__main__":
    main()
