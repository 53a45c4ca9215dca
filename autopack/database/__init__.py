"""SQL for the services: SQLite or Postgres, off the event loop, migrated when opened."""
