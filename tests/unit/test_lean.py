"""What a server does not import, and that everybody else still can."""

import subprocess

from tests.support import PYTHON, ROOT, Installation

LOADED = """
import sys
import django
django.setup()
from sessions_app import lean, server
from sessions_app.api import app
with lean.without_unused():
    from daphne.server import Server
print(*sorted({name.partition(".")[0] for name in sys.modules}))
print("django.test" in sys.modules)
from django.test.signals import setting_changed, template_rendered
from django.core import signals
assert setting_changed is signals.setting_changed
from autobahn.twisted.wamp import ApplicationSession
from OpenSSL import SSL
assert ApplicationSession
"""


def test_a_server_loads_neither_tls_nor_wamp_nor_what_tests_need(site: Installation) -> None:
    env = {**site.env, "DJANGO_SETTINGS_MODULE": "hiveweb.settings", "PYTHONPATH": str(ROOT)}
    # when all is imported that a server imports
    done = subprocess.run(
        [PYTHON, "-c", LOADED], env=env, capture_output=True, text=True, check=False
    )
    # then what it needs is there, and the rest only for those who ask for it afterwards
    assert done.returncode == 0, done.stderr
    loaded, tests = done.stdout.splitlines()
    assert {"daphne", "twisted", "autobahn", "ninja"} <= set(loaded.split())
    assert not {"cryptography", "OpenSSL", "cbor2", "unittest"} & set(loaded.split())
    assert tests == "False"
