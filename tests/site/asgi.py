from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path

# It sets Django up, so it comes before anything that needs Django to be so.
http = get_asgi_application()

from consumers import Chat  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": http,
        "websocket": URLRouter([path("ws/chat/<slug:room>/", Chat.as_asgi())]),
    }
)
