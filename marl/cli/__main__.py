"""`python -m marl.cli`, where no `marl` is on the path."""

from marl.cli import main

if __name__ == "__main__":
    main()
