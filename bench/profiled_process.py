"""python profiled_process.py FILE -m MODULE ARGUMENTS...: a module under cProfile from SIGUSR2 on, statistics in FILE.

The clock is the main thread's own processor time: what other programs take from it is nobody's work here.
"""

import cProfile
import runpy
import signal
import sys
import time

_, file, _, module, *arguments = sys.argv
profile = cProfile.Profile(time.thread_time)
signal.signal(signal.SIGUSR2, lambda *_: profile.enable())
sys.argv = [module, *arguments]
try:
    runpy.run_module(module, run_name="__main__", alter_sys=True)
finally:
    profile.disable()
    profile.dump_stats(file)
