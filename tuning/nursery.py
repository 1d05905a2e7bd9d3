"""What the process that workers are forked from loads. Imported there alone, and nothing of it is used there.

With a backend that starts threads of its own there is nothing to fork: each worker loads it for itself.
"""

import atexit
import os

from kact.engine import startup

if startup.forkable():
    import kact.engine.captured
    import kact.train  # noqa: F401
    import tuning.run  # noqa: F401

    startup.spare_tensorflow()
atexit.register(os._exit, 0)  # at once: to take all of it down takes longer than anybody wants to wait
