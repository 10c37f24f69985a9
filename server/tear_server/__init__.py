"""The service: FastAPI over the reflection over vLLM."""

from importlib.metadata import version

__version__ = version("the-tear")
