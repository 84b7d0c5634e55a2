"""The last resort: end the process at once, so that the supervisor starts it again from the written positions."""

from __future__ import annotations

import logging
import os
from typing import Final, NoReturn

log = logging.getLogger(__name__)

# EX_SOFTWARE of sysexits.h; the supervisor restarts on any code but 0.
RESTART_ME: Final = 70


def end_process(reason: str) -> NoReturn:
    """Log why and exit with code 70 without unwinding: nothing may be acknowledged or committed on the way out."""
    log.critical("ending the process: %s", reason)
    logging.shutdown()
    os._exit(RESTART_ME)
