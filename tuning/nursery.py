"""What the process that workers are forked from loads. Imported there alone, and nothing of it is used there.

With a backend that starts threads of its own there is nothing to fork: each worker loads it for itself.
"""

import gc

from kact import startup

if startup.forkable():
    import kact.engine.captured
    import kact.train  # noqa: F401
    import tuning.run  # noqa: F401

    startup.spare_tensorflow()
gc.freeze()  # so that no child looks through all of it for garbage, and it ends at once itself
