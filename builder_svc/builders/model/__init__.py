"""A model over HTTP: prompt out, structured edits in."""
