"""Where memory keeps things: SQL, vectors, git, and the models that embed text."""
