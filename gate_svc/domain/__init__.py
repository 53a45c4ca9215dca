"""What the gate decides and why, in plain Python: no gRPC, no SQL, no protobuf."""
