"""Bring in history: read sightings from files and tables, and leave their souvenirs."""
