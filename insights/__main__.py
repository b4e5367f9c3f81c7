"""`python -m insights` is the `insights` command."""

from insights.cli import main

if __name__ == "__main__":
    main()
