"""What an audit is, in plain Python: no transport, no storage, no analyzer."""
