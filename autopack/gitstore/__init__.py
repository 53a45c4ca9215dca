"""Git as a library: bare stores of objects, the one write path for changes, packs, transfers and remotes."""
