"""Entry point of the command `cutflow` and of `python -m cutflow_cli`."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from cutflow_cli.app import run

    run()


if __name__ == "__main__":
    main()
