"""Where what was fetched once lies, for all tests."""

import os
from pathlib import Path

import platformdirs

CACHE = Path(os.environ.get("KB_CACHE") or platformdirs.user_cache_dir("kb"))
MARIADBD = os.environ.get("KB_MARIADBD")
