"""What tests and demonstrations share; nothing here runs in production."""
