"""The operator console: every sub-merchant of the provider, seen from above."""

from flask import Blueprint

from admin_ui.access import check_text, check_unsafe_request

blueprint = Blueprint("console", __name__, url_prefix="/admin")
blueprint.before_request(check_text)
blueprint.before_request(check_unsafe_request)
