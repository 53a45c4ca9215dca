"""The small program that watches over one command of the landlock tier; it imports little, to start fast."""
