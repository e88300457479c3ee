"""The tenants of a site with django-tenants."""
