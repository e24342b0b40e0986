"""python -m loadtests.peers: see README.md."""

from loadtests.peers.command import main

if __name__ == "__main__":
    main()
