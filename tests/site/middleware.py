"""What a site tells parvis about its visitors."""

from django.conf import settings


class ParvisUser:
    """Says that a visitor is signed in. Clients do not see it: parvis takes it out."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        response = self.get_response(request)
        # Who asks for the user of a guest makes Django say "Vary: Cookie", which caches heed.
        if settings.SESSION_COOKIE_NAME in request.COOKIES and request.user.is_authenticated:
            response["X-Parvis-User"] = "1"
        return response
