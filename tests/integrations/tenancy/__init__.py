"""The tenants of a site with django-tenants, and its pages."""
