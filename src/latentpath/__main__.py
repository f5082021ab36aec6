"""``python -m latentpath``: the command line where its script is not on the path."""

from latentpath.cli import main

if __name__ == "__main__":
    main()
