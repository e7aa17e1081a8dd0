"""The tenants: sub-merchants, their bindings, directories, staff and keys."""
