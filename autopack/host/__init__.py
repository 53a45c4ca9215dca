"""The all-in-one: five services in one process, for as long as a client holds it."""
