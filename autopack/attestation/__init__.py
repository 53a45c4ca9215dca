"""Why a landed commit was accepted: where it is kept in a repository, what it says, how it is checked."""
