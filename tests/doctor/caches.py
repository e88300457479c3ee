"""Caches in files, which processes share, with something wrong with them."""

from pathlib import Path

from django.core.cache.backends.filebased import FileBasedCache


class Exclusive(FileBasedCache):
    """``add`` lets exactly one win."""

    def add(self, key, *args, **kwargs):
        try:
            Path(self._dir, key).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True

    def delete(self, key, version=None):
        Path(self._dir, key).unlink(missing_ok=True)


class Careless(Exclusive):
    """Every tenth key is won by both, as if both had looked before either wrote."""

    def add(self, key, *args, **kwargs):
        return super().add(key) or key.endswith("5")


class Refusing(Exclusive):
    """Every tenth key is won by nobody."""

    def add(self, key, *args, **kwargs):
        return super().add(key) and not key.endswith("7")
