"""The HTTP side: the one folder that imports fastapi."""
