"""The HTTP API's own limits: how many calls a key, an organization and an address may make.

docs/explanation/api-rate-limits.md tells how, docs/decisions/0020-permits-in-hand.md why.
"""
