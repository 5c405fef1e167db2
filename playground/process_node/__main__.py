"""`python -m playground.process_node --kubeconfig FILE --image PATTERN=COMMAND …`: the node as its own process."""

import argparse
import logging
import shlex
import signal
from pathlib import Path

from playground.process_node.node import ProcessNode


def main() -> None:
    """Run the node until it is interrupted or terminated."""
    parser = argparse.ArgumentParser(prog="python -m playground.process_node", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True, help="how to reach the cluster")
    parser.add_argument("--name", default="process-node", help="the Node's name")
    parser.add_argument(
        "--image",
        action="append",
        default=[],
        metavar="PATTERN=COMMAND",
        help="images whose name the pattern is found in run this command; may be repeated",
    )
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    pairs = [image.partition("=") for image in options.image]
    # Blocked here, before the node's thread inherits it, so that it is sigwait that sees them.
    stopping = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, stopping)
    with ProcessNode(
        options.kubeconfig, name=options.name, images={pattern: shlex.split(command) for pattern, _, command in pairs}
    ):
        signal.sigwait(stopping)


if __name__ == "__main__":
    main()
