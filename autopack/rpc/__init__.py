"""How the services speak: servers, channels, errors and lifetimes, all in one way."""
