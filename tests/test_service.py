"""What an administrator reads when the service cannot start."""

import errno
import os

import pytest
from twisted.internet.error import CannotListenError

from gateway.config.load import load_configuration
from gateway.service import Gateway, StartError
from tests.config.certificates import write_pair
from tests.config.test_load import GOOD


class RefusingReactor:
    """One whose kernel answers every attempt to listen with this error."""

    def __init__(self, number):
        self._number = number

    def listenTCP(self, port, factory, interface):
        raise CannotListenError(interface, port, OSError(self._number, os.strerror(self._number)))


def test_a_low_port_without_the_right_to_it_is_refused_with_what_gives_that_right(tmp_path):
    write_pair(tmp_path)
    (tmp_path / "gateway.yaml").write_text(GOOD.replace("127.0.0.1:0", "127.0.0.1:636"))
    settings = load_configuration(tmp_path / "gateway.yaml").settings
    with pytest.raises(StartError, match=r"listener 127.0.0.1:636: Permission denied: .*ip_unprivileged_port_start"):
        Gateway(settings, lambda record: None, RefusingReactor(errno.EACCES)).start()
    with pytest.raises(StartError, match=r"listener 127.0.0.1:636: Address already in use$"):
        Gateway(settings, lambda record: None, RefusingReactor(errno.EADDRINUSE)).start()
