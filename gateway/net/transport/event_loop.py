"""The one reactor of the process, installed at the first import of this module; twisted_internals.py has its class."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any, cast

from twisted.internet.main import installReactor

from gateway.net.transport.reactor import Reactor
from gateway.net.transport.twisted_internals import EventLoop

# The first import of twisted.internet.reactor decides which one it is.
if "twisted.internet.reactor" not in sys.modules:
    _untyped: Any = EventLoop
    installReactor(_untyped())
reactor = cast(Reactor, import_module("twisted.internet.reactor"))
