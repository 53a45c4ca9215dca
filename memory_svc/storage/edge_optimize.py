"""Builds the search graph of a shard that nobody has open; its directory is the argument."""

import sys

import qdrant_edge


def main() -> None:
    """Returns when the shard is as fast as it gets."""
    shard = qdrant_edge.EdgeShard.load(sys.argv[1])
    shard.optimize()
    shard.flush()
    shard.close()


if __name__ == "__main__":
    main()
