"""The front with little patience, and with little memory, so that a test meets its limits soon."""

from config.bodies import Bodies
from config.bridge import Bridge
from config.front import make_front
from config.wsgi import application as web
from tests.api.live import THREADS

KIB = 1024
impatient = Bodies(idle_seconds=0.3, held_at_most=256 * KIB, drain_seconds=0.3, drained_at_most=2048 * KIB)
application = make_front(impatient, Bridge(web, THREADS))
roomy = make_front(Bodies(idle_seconds=0.3), Bridge(web, THREADS))
