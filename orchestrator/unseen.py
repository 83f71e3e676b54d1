"""Characters that a reader does not see and a language model reads all the same."""

from __future__ import annotations

import re

INVISIBLE = re.compile(
    "[\u00ad\u034f\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff"
    "\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
"""Zero-width and directional characters, variation selectors and Unicode's tag block: all of
them have carried orders past human eyes. The joiners U+200C and U+200D stay: Persian, Hindi and
emoji are misspelt without them."""
