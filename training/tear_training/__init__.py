"""Data, training and evaluation: from rows to an adapter, and from an adapter to what it sees."""

import logging

# Where peft imports it, it warns of a faster kernel that may be fetched: nothing that a reader here can act on.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
