"""The ground of The Tear: its words as types, the chain format, the manifest, events and errors."""
