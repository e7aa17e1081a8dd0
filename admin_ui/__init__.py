"""Pages: the operator console under /admin, the sub-merchant's dashboard under /dashboard.

Pages show and ask; what they show is read by `reading`, what they ask is done by the floors below.
"""

from admin_ui.errors import render_error_page
from admin_ui.wiring import init_admin_ui

__all__ = ["init_admin_ui", "render_error_page"]
