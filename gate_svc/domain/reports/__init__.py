"""Readers of what checks report: untrusted bytes in, outcomes by test id or an EvidenceError out."""
