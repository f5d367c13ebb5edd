"""The front with little patience, and with little memory, so that a test meets its limits soon."""

from config.bodies import Bodies
from config.bridge import Bridge
from config.front import make_front
from config.wsgi import application as web
from tests.api.live import THREADS

KIB = 1024
application = make_front(Bodies(idle_seconds=0.3, held_at_most=256 * KIB), Bridge(web, THREADS))
roomy = make_front(Bodies(idle_seconds=0.3), Bridge(web, THREADS))
