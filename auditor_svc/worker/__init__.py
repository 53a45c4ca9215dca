"""The warm process that reads untrusted text: bandit, the secret scanner and the text rules.

It shares nothing with the service but the frames of `auditor_svc.worker.frames`.
"""
