"""Rows of the site's lists, which are fetched page by page as they are read."""

from .problems import InvalidInput


class Row(dict):
    """A row of the site's, its columns as attributes too."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"the row has no {name}; it has {', '.join(self)}")


class Rows:
    """Rows that are fetched page by page as they are read; can be read again."""

    def __init__(self, pages):
        self._pages = pages

    def __iter__(self):
        for page in self._pages():
            yield from map(Row, page)

    def first(self, count):
        """Return the first rows as a list, and fetch no more pages than they need."""
        found = []
        for row in self:
            if len(found) >= count:
                break
            found.append(row)
            if len(found) == count:
                break
        return found

    def frame(self):
        """Return a pandas DataFrame."""
        return _library("pandas").DataFrame(list(self))

    def polars(self):
        """Return a polars DataFrame."""
        return _library("polars").DataFrame([dict(row) for row in self])

    def arrow(self):
        """Return a pyarrow Table."""
        return _library("pyarrow").Table.from_pylist([dict(row) for row in self])


def _library(name):
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError:
        raise InvalidInput(f"{name} is not installed; pip install {name}.") from None
