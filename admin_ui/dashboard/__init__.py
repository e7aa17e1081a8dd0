"""The sub-merchant's dashboard: one tenant, its own rows and nothing else."""

from flask import Blueprint

from admin_ui.access import check_text, check_unsafe_request

blueprint = Blueprint("dashboard", __name__, url_prefix="/dashboard")
blueprint.before_request(check_text)
blueprint.before_request(check_unsafe_request)
