"""``python -m tests.faults.malformed [REPLIES [SEED]]``: so many through ``tests.fuzz.replies``, written down."""

import json
import random
import sys

from tests.faults.orders import FOLDER
from tests.fuzz import replies

REPLIES = 1_000_000


def main() -> int:
    """As ``tests.fuzz.replies``."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else REPLIES
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)
    code = replies.main(count, seed)
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "fuzz.json").write_text(json.dumps({"replies": count, "faults": code, "seed": seed}) + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
