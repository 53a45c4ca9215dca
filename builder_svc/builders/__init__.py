"""One module or package per kind of builder, each behind the port in `domain.builder`."""
