"""The admin pages, under Envoy's paths, on a listener of their own in the control process."""

from meshproxy.admin.app import ProxyControl, build_app
from meshproxy.admin.service import serve_admin

__all__ = ["ProxyControl", "build_app", "serve_admin"]
