from bench_tokens import Command  # noqa: F401 - docs/django, as a project copies it
