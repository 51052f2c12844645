"""What other people's libraries would tell their makers is switched off before they are imported.

Every process that imports any part of kb comes by here first. Imported, ONNX Runtime keeps an
identity of the machine and queues events for its maker, and its own call that ends this comes too
late. What the environment says otherwise does not count: kb promises that nothing leaves.
"""

import os
from typing import Final

SWITCHED_OFF: Final = {
    "ORT_DISABLE_TELEMETRY": "1",  # onnxruntime
    "HF_HUB_DISABLE_TELEMETRY": "1",  # huggingface_hub, which sentence-transformers brings
    "HAYSTACK_TELEMETRY_ENABLED": "False",  # haystack, where kb is imported before it
    "DO_NOT_TRACK": "1",  # whoever keeps to the convention
}

os.environ.update(SWITCHED_OFF)
