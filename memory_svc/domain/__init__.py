"""What memory knows and how it decides, without transport or storage."""
