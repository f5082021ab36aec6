"""The command line as ``python -m latentpath``."""

from latentpath.cli import main

if __name__ == "__main__":
    main()
